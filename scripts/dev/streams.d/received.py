"""Which alerts topics received."""

import io
import json

import fastavro


def identifiers(servers, topics):
    """For each topic the identifiers of its alerts, in order."""
    found, schemas = {topic: [] for topic in topics}, {}
    for message in servers.messages(topics):
        key = message.key()
        if key not in schemas:
            schema = json.loads(key)
            # The rest is skipped, not made into objects.
            wanted = {**schema, "fields": [field for field in schema["fields"] if field["name"] == "candid"]}
            schemas[key] = fastavro.parse_schema(schema), fastavro.parse_schema(wanted)
        alert = fastavro.schemaless_reader(io.BytesIO(message.value()), *schemas[key])
        found[message.topic()].append(alert["candid"])
    return found
