"""Counts the alerts of topics as a consumer that fink has no part in: confluent-kafka and fastavro.

usage: count_alerts.py SERVERS USER PASSWORD_FILE TOPIC…    with `-` for user and file: brokers without logins

Reads what is committed. Prints one JSON object: how many messages there are of each candid, over all topics.
"""

import io
import json
import sys

import confluent_kafka
import fastavro

servers, user, password_file, *topics = sys.argv[1:]
login = {}
if user != "-":
    with open(password_file) as file:
        password = file.read().strip()
    login = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
    }
consumer = confluent_kafka.Consumer({
    "bootstrap.servers": servers,
    **login,
    "group.id": f"{user}_count_alerts",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
})
places = []
for topic in topics:
    known = consumer.list_topics(topic, 30).topics[topic]
    if known.error is None:
        places += [confluent_kafka.TopicPartition(topic, number, 0) for number in known.partitions]
consumer.assign(places)
counts, schemas, left = {}, {}, len(places)
while left:
    message = consumer.poll(30)
    if message is None:
        sys.exit("the topics have no end")
    if message.error():
        if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        left -= 1
        continue
    key = message.key()
    if key not in schemas:
        schemas[key] = fastavro.parse_schema(json.loads(key))
    candid = fastavro.schemaless_reader(io.BytesIO(message.value()), schemas[key], None)["candid"]
    counts[candid] = counts.get(candid, 0) + 1
consumer.close()
print(json.dumps(counts))
