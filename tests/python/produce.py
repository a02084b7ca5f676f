"""Writes alerts to a topic, as any producer would.

usage: produce.py SERVERS USER PASSWORD_FILE TOPIC ENCODING KEY COUNT FILE…

ENCODING: datum, confluent, single-object or container; KEY: schema, object-id, version or none. The data of the Avro files are taken again and
again until COUNT messages are written, each with another id where the schema is ZTF's. COUNT 0: each datum once. The partition follows from the
number of the message. Prints one JSON object: how many messages, and their candids or diaSourceIds in order.
"""

import io
import json
import struct
import sys

import confluent_kafka
import fastavro

servers, user, password_file, topic, encoding, key_kind, count = sys.argv[1:8]
files = sys.argv[8:]
with open(password_file) as file:
    password = file.read().strip()
producer = confluent_kafka.Producer({
    "bootstrap.servers": servers,
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": user,
    "sasl.password": password,
    "message.max.bytes": 8 << 20,
    "queue.buffering.max.kbytes": 1 << 20,
    "linger.ms": 20,
})
partitions = len(producer.list_topics(topic, 30).topics[topic].partitions)

alerts = []
for path in files:
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        text = json.dumps(reader.writer_schema, separators=(",", ":"))
        schema = fastavro.parse_schema(reader.writer_schema)
        alerts += [(text, schema, alert) for alert in reader]


def identify(alert, number):
    """Gives a copy of an alert an id of its own."""
    if int(count) and "candid" in alert:
        alert["candid"] = 10**15 + number
    if "candid" in alert:
        return alert["candid"]
    return alert.get("diaSourceId") or alert.get("diaSource", {}).get("diaSourceId")


def fingerprint(schema):
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


ids = []
for number in range(int(count) or len(alerts)):
    text, schema, alert = alerts[number % len(alerts)]
    ids.append(identify(alert, number))
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, schema, alert)
    if encoding == "confluent":
        value = struct.pack(">bI", 0, 7) + datum.getvalue()
    elif encoding == "single-object":
        value = b"\xc3\x01" + fingerprint(schema) + datum.getvalue()
    elif encoding == "container":
        container = io.BytesIO()
        fastavro.writer(container, schema, [alert])
        value = container.getvalue()
    else:
        value = datum.getvalue()
    keys = {"schema": text, "object-id": alert.get("objectId", "1"), "version": "4.0_5.1", "none": None}
    producer.produce(topic, value, keys[key_kind], number % partitions, on_delivery=lambda error, _: error and sys.exit(str(error)))
    producer.poll(0)
producer.flush()
print(json.dumps({"messages": len(ids), "ids": ids}))
