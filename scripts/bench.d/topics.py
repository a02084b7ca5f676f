"""Topics for one run each, and what arrived in them."""

import hashlib

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


class Topics:
    def __init__(self, env):
        self._admin = AdminClient(self._client(env, "ADMIN"))
        self._consumer = self._client(env, "CONSUMER")
        self._replicas = 1

    @staticmethod
    def _client(env, who):
        with open(env[f"FINK_TEST_{who}_PASSWORD_FILE"], encoding="utf-8") as file:
            password = file.read().strip()
        return {
            "bootstrap.servers": env["FINK_TEST_BOOTSTRAP"],
            "security.protocol": env["FINK_TEST_SECURITY_PROTOCOL"],
            "sasl.mechanism": env["FINK_TEST_SASL_MECHANISM"],
            "sasl.username": env[f"FINK_TEST_{who}_USER"],
            "sasl.password": password,
        }

    def create(self, topic, partitions):
        # Deleted, it is to give its room back at once, before the disk has to take it.
        new = NewTopic(topic, partitions, self._replicas, config={"file.delete.delay.ms": "100"})
        self._admin.create_topics([new])[topic].result()

    def delete_all(self, prefix):
        """Deletes the topics whose names begin so."""
        names = [name for name in self._admin.list_topics(timeout=30).topics if name.startswith(prefix)]
        if names:
            for future in self._admin.delete_topics(names).values():
                future.result()

    def contents(self, topic):
        """How many alerts readers find in a topic, their bytes, and a sum over their values that no order changes."""
        consumer = Consumer(
            {
                **self._consumer,
                "group.id": "fink_bench",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found = {"messages": 0, "key_bytes": 0, "value_bytes": 0, "sum": 0}
        left = len(partitions)
        while left:
            for message in consumer.consume(500, timeout=30) or [None]:
                if message is None:
                    raise SystemExit(f"{topic}: nothing came for 30 s")
                if message.error():
                    # the end of a partition
                    left -= 1
                    continue
                digest = hashlib.blake2b(message.value(), digest_size=16).digest()
                found["messages"] += 1
                found["key_bytes"] += len(message.key() or b"")
                found["value_bytes"] += len(message.value())
                found["sum"] = (found["sum"] + int.from_bytes(digest)) % (1 << 128)
        consumer.close()
        return found
