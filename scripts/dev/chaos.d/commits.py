"""The moment of a commit: a record of the checkpoint is in the topic, and its transaction is still open."""

import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

# How the keys of a lane's records begin.
KEYS = {"service": b"live/", "beside": b"live:", "job": b"job-"}
# How long to wait for one, in seconds.
WITHIN = 10


class Commits:
    """Follows a checkpoint topic, uncommitted records too."""

    def __init__(self, servers, topic):
        settings = {"group.id": "fink_chaos", "enable.auto.commit": False, "isolation.level": "read_uncommitted", "log_level": 0}
        self._consumer = Consumer({**servers.client("ADMIN"), **settings})
        self._topic = topic
        self._seen = {lane: threading.Event() for lane in KEYS}
        threading.Thread(target=self._follow, daemon=True).start()

    def await_one(self, lane):
        """Returns in the moment in which the next record of the lane is seen, or after WITHIN."""
        self._seen[lane].clear()
        return self._seen[lane].wait(WITHIN)

    def _follow(self):
        parts = {}
        while not parts:
            try:
                parts = self._consumer.list_topics(self._topic, timeout=5).topics[self._topic].partitions
            except KafkaException:
                pass
            time.sleep(0.2)
        self._consumer.assign([TopicPartition(self._topic, part) for part in parts])
        while True:
            message = self._consumer.poll(1.0)
            if message is None or message.error() or message.key() is None:
                continue
            for lane, beginning in KEYS.items():
                if message.key().startswith(beginning):
                    self._seen[lane].set()
