"""What the topics hold, as a reader of committed messages sees it: by confluent-kafka and fastavro, not by fink's own code."""

import io
import json
import time
from dataclasses import dataclass

import fastavro
from confluent_kafka import Consumer, KafkaException, TopicPartition

# For one answer, in seconds.
ANSWER = 30


@dataclass(frozen=True)
class Message:
    """One message, decoded."""

    partition: int
    offset: int
    # the header fink-timestamp, ms since 1970
    time: int
    alert: dict


class Reader:
    """Reads topics of the `servers`, which have so many `partitions` each."""

    def __init__(self, servers, topics, partitions):
        self._servers, self._topics, self._schemas = servers, topics, {}
        settings = {**servers.client("CONSUMER"), "group.id": "fink_chaos", "enable.auto.commit": False, "log_level": 0}
        self._committed = Consumer({**settings, "isolation.level": "read_committed"})
        self._all = Consumer({**settings, "isolation.level": "read_uncommitted"})
        self._await(topics, partitions)
        self._parts = [TopicPartition(topic, part, 0) for topic in topics for part in range(partitions)]
        self._committed.assign(self._parts)

    def follow(self, quiet=1.0):
        """What has come since the last call, as pairs of topic and message, until nothing comes for `quiet` seconds."""
        last = time.monotonic()
        while time.monotonic() - last < quiet:
            for message in self._committed.consume(500, 0.3):
                if not message.error():
                    last = time.monotonic()
                    yield message.topic(), self._decode(message)

    def undecided(self, within):
        """The partitions in which a transaction is open after so many seconds; it hides later messages."""
        end = time.monotonic() + within
        while (open_in := self._undecided()) and time.monotonic() < end:
            time.sleep(1)
        return open_in

    def everything(self):
        """All messages of each topic, in order within each partition."""
        messages = {topic: [] for topic in self._topics}
        for message in self._servers.messages(self._topics):
            messages[message.topic()].append(self._decode(message))
        return messages

    def close(self):
        """Closes the consumers."""
        self._committed.close()
        self._all.close()

    def _await(self, topics, partitions):
        """A broker that has just started may not know all topics yet; what is not read would count as lost."""
        end = time.monotonic() + ANSWER
        while True:
            known = self._committed.list_topics(timeout=ANSWER).topics
            if all(topic in known and len(known[topic].partitions) == partitions for topic in topics):
                return
            if time.monotonic() > end:
                raise RuntimeError(f"the brokers do not know all of {', '.join(topics)} with {partitions} partitions each")
            time.sleep(0.5)

    def _undecided(self):
        end_of = lambda consumer, part: consumer.get_watermark_offsets(part, ANSWER)[1]
        try:
            return [
                f"{part.topic}-{part.partition}"
                for part in self._parts
                if end_of(self._committed, part) < end_of(self._all, part)
            ]
        except KafkaException as error:
            return [f"not known: {error}"]

    def _decode(self, message):
        key = message.key()
        if key not in self._schemas:
            self._schemas[key] = fastavro.parse_schema(json.loads(key))
        alert = fastavro.schemaless_reader(io.BytesIO(message.value()), self._schemas[key])
        time = int(dict(message.headers())["fink-timestamp"])
        return Message(message.partition(), message.offset(), time, alert)
