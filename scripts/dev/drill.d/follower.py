"""Follows the topics of a service as a reader of committed messages, by confluent-kafka and fastavro."""

import io
import json
import threading
import time
from collections import Counter

import fastavro
from confluent_kafka import Consumer


def quantile(delays, share):
    """In the unit of the delays; NaN without any."""
    ordered = sorted(delays)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Follower:
    """Counts how often each alert comes on each topic, by its number. The delays are those of the first topic, ms since the put."""

    def __init__(self, servers, topics, group):
        settings = {"group.id": group, "auto.offset.reset": "earliest", "isolation.level": "read_committed"}
        self._consumer = Consumer({**servers.client("CONSUMER"), **settings, "fetch.wait.max.ms": 50, "log_level": 0})
        self._consumer.subscribe(topics)
        self.seen = {topic: Counter() for topic in topics}
        self._timed, self._delays, self._schemas = topics[0], [], {}
        # The next offset of each partition: what a group reads again after a rebalance was not sent again.
        self._next = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take_delays(self):
        """The delays since the last call."""
        taken, self._delays = self._delays, []
        return taken

    def count(self, topic):
        """How many alerts have come on a topic."""
        return len(self.seen[topic])

    def close(self):
        """Ends the consumer."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def decode(self, message):
        """The alert of a message."""
        key = message.key()
        if key not in self._schemas:
            self._schemas[key] = fastavro.parse_schema(json.loads(key))
        return fastavro.schemaless_reader(io.BytesIO(message.value()), self._schemas[key])

    def _run(self):
        while not self._stop.is_set():
            # consume() would hold messages back until it has as many as asked for, or its time is up.
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self._take(message, time.time() * 1000)

    def _take(self, message, now):
        topic, partition = message.topic(), (message.topic(), message.partition())
        if message.offset() < self._next[partition]:
            return
        self._next[partition] = message.offset() + 1
        self.seen[topic][self.decode(message)["candid"]] += 1
        if topic == self._timed:
            self._delays.append(now - int(dict(message.headers())["fink-timestamp"]))
