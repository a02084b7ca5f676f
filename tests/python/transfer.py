"""Runs `finkctl transfer` as an astronomer does, and counts what it wrote.

usage: transfer.py SERVERS USER PASSWORD_FILE GROUP TOPIC FOLDER

`finkctl transfer` logs in nowhere; the brokers of the tests ask for a login, which is added to the settings of each of its consumers. All
else is fink-client's own code. Prints one JSON object: the rows in the files, and how many different alerts they are.
"""

import glob
import json
import os
import sys

servers, user, password_file, group, topic, folder = sys.argv[1:]
os.environ["HOME"] = folder

import confluent_kafka
import pyarrow.parquet as pq

with open(password_file) as file:
    LOGIN = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": file.read().strip(),
    }
plain = confluent_kafka.Consumer
confluent_kafka.Consumer = lambda config: plain({**config, **LOGIN})

from fink_client.configuration import write_credentials
from fink_client.scripts.finkctl import cli

write_credentials({"survey": "ztf", "username": user, "groupid": group, "servers": servers, "maxtimeout": 10})
outdir = os.path.join(folder, "alerts")
arguments = ["transfer", "-survey", "ztf", "-topic", topic, "-outdir", outdir, "-nconsumers", "2", "-maxtimeout", "5"]
try:
    cli(arguments)
except SystemExit as ended:
    assert not ended.code, ended.code
candids = []
for path in glob.glob(os.path.join(outdir, "**", "*.parquet"), recursive=True):
    candids += pq.read_table(path, columns=["candid"])["candid"].to_pylist()
print(json.dumps({"rows": len(candids), "alerts": len(set(candids))}))
