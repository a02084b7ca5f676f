"""Logs in with fink-client and asks for one alert; the password comes on stdin.

usage: login.py SERVERS USER GROUP TOPIC
"""

import sys
import tempfile

from fink_client.consumer import AlertConsumer

servers, user, group, topic = sys.argv[1:]
password = sys.stdin.read()
config = {"bootstrap.servers": servers, "username": user, "password": password, "group.id": group}
consumer = AlertConsumer([topic], config, survey="ztf")
errors = []
inner = consumer._consumer
topics = inner.list_topics(topic, timeout=20).topics
assert topics[topic].error is None, topics[topic].error
received = consumer.poll(timeout=5)
print("logged in,", "nothing to read" if received[0] is None else received[0])
consumer.close()
