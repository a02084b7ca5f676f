"""What topics received, and their end."""

import io
import json

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient


class Topics:
    def __init__(self, env):
        self._admin = AdminClient(client(env, "ADMIN"))
        self._settings = client(env, "CONSUMER")
        self._schemas = {}

    def received(self, topics):
        """For each topic the identifiers of its alerts, in order, as a reader of committed messages sees them."""
        consumer = Consumer(
            {
                **self._settings,
                "group.id": "fink_streams",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        known = consumer.list_topics(timeout=60).topics
        parts = [TopicPartition(topic, number, 0) for topic in topics for number in known[topic].partitions]
        found, left = {topic: [] for topic in topics}, len(parts)
        consumer.assign(parts)
        while left:
            messages = consumer.consume(1000, timeout=60)
            if not messages:
                raise SystemExit(f"{left} partitions have not ended, and nothing came for 60 s")
            for message in messages:
                if message.error():
                    # the end of a partition
                    left -= 1
                else:
                    found[message.topic()].append(self._identifier(message))
        consumer.close()
        return found

    def _identifier(self, message):
        key = message.key()
        if key not in self._schemas:
            schema = json.loads(key)
            # The rest is skipped, not made into objects.
            wanted = {**schema, "fields": [field for field in schema["fields"] if field["name"] == "candid"]}
            self._schemas[key] = fastavro.parse_schema(schema), fastavro.parse_schema(wanted)
        return fastavro.schemaless_reader(io.BytesIO(message.value()), *self._schemas[key])["candid"]

    def delete_all(self, prefix):
        """Deletes the topics whose names begin so."""
        names = [name for name in self._admin.list_topics(timeout=60).topics if name.startswith(prefix)]
        if names:
            for future in self._admin.delete_topics(names, operation_timeout=60).values():
                future.result()


def client(env, who):
    with open(env[f"FINK_TEST_{who}_PASSWORD_FILE"], encoding="utf-8") as file:
        password = file.read().strip()
    return {
        "bootstrap.servers": env["FINK_TEST_BOOTSTRAP"],
        "security.protocol": env["FINK_TEST_SECURITY_PROTOCOL"],
        "sasl.mechanism": env["FINK_TEST_SASL_MECHANISM"],
        "sasl.username": env[f"FINK_TEST_{who}_USER"],
        "sasl.password": password,
    }
