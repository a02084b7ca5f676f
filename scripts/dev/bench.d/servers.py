"""The servers of `scripts/cluster up`: the settings with which fink and librdkafka connect to them, and what their topics contain."""

import json
import subprocess
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
# For one answer of the broker, in seconds; under load a long list takes a while.
PATIENCE = 60


class Servers:
    """The servers whose folder is `cluster`."""

    def __init__(self, cluster):
        self._folder = cluster
        lines = (Path(cluster) / "cluster.env").read_text(encoding="utf-8").splitlines()
        self.env = dict(line.split("=", 1) for line in lines if line)
        # librdkafka is silent: brokers that cannot be reached are what some callers want.
        self.admin = AdminClient({**self.client("ADMIN"), "log_level": 0})

    def processes(self):
        """The processes of the cluster, by name."""
        command = [CLUSTER, "status", "--format", "json", "--dir", self._folder]
        status = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return {part["part"]: part["pid"] for part in status["parts"] if part["pid"]}

    def password_file(self, who):
        return self.env[f"FINK_TEST_{who}_PASSWORD_FILE"]

    def client(self, who):
        """librdkafka's settings for the user ADMIN, PRODUCER or CONSUMER."""
        return {
            "bootstrap.servers": self.env["FINK_TEST_BOOTSTRAP"],
            "security.protocol": self.env["FINK_TEST_SECURITY_PROTOCOL"],
            "sasl.mechanism": self.env["FINK_TEST_SASL_MECHANISM"],
            "sasl.username": self.env[f"FINK_TEST_{who}_USER"],
            "sasl.password": Path(self.password_file(who)).read_text(encoding="utf-8").strip(),
        }

    def kafka_section(self):
        """The part of fink's configuration with which it logs in as the producer."""
        env = self.env
        return f"""[kafka]
bootstrap_servers = "{env["FINK_TEST_BOOTSTRAP"]}"
security_protocol = "{env["FINK_TEST_SECURITY_PROTOCOL"]}"
sasl_mechanism = "{env["FINK_TEST_SASL_MECHANISM"]}"
username = "{env["FINK_TEST_PRODUCER_USER"]}"
password_file = "{self.password_file("PRODUCER")}"
"""

    def messages(self, topics):
        """All messages of these topics, as a reader of committed ones sees them; the order within a partition is kept."""
        consumer = Consumer(
            {
                **self.client("CONSUMER"),
                "group.id": "fink_bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        known = consumer.list_topics(timeout=PATIENCE).topics
        parts = [TopicPartition(topic, number, 0) for topic in topics for number in known[topic].partitions]
        consumer.assign(parts)
        left, last = len(parts), time.monotonic()
        while left:
            # It waits until it has as many as asked for, or for so long.
            messages = consumer.consume(500, timeout=0.2)
            if messages:
                last = time.monotonic()
            elif time.monotonic() - last > PATIENCE:
                raise SystemExit(f"{left} partitions have not ended, and nothing came for {PATIENCE} s")
            for message in messages:
                if message.error():
                    # the end of a partition
                    left -= 1
                else:
                    yield message
        consumer.close()

    def allow_reading_back(self, topic):
        """The producer's user may read the topic, as a stream without transactions needs."""
        principal = f"User:{self.env['FINK_TEST_PRODUCER_USER']}"
        acl = AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, principal, "*", AclOperation.READ, AclPermissionType.ALLOW
        )
        for future in self.admin.create_acls([acl], request_timeout=PATIENCE).values():
            future.result()

    def delete_topics(self, prefix):
        """Deletes the topics whose names begin so."""
        names = [name for name in self.admin.list_topics(timeout=PATIENCE).topics if name.startswith(prefix)]
        if names:
            for future in self.admin.delete_topics(names, operation_timeout=PATIENCE).values():
                future.result()
