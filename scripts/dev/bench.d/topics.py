"""Topics for one run each, and what arrived in them."""

import hashlib

from confluent_kafka.admin import NewTopic


def create(servers, topic, partitions, **config):
    # Deleted, it is to give its room back at once, before the disk has to take it.
    new = NewTopic(topic, partitions, 1, config={"file.delete.delay.ms": "100", **config})
    servers.admin.create_topics([new])[topic].result()


def contents(servers, topic):
    """How many alerts readers find in a topic, their bytes, and a sum over their values that no order changes."""
    found = {"messages": 0, "key_bytes": 0, "value_bytes": 0, "sum": 0}
    for message in servers.messages([topic]):
        digest = hashlib.blake2b(message.value(), digest_size=16).digest()
        found["messages"] += 1
        found["key_bytes"] += len(message.key() or b"")
        found["value_bytes"] += len(message.value())
        found["sum"] = (found["sum"] + int.from_bytes(digest)) % (1 << 128)
    return found
