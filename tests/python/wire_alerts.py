"""Writes Avro files of Rubin's alerts as they are sent, with fastavro.

usage: wire_alerts.py FOLDER OUT [--distinct]

FOLDER has messages in Confluent's framing (lsst.v<major>_<minor>.avro) and their schemas (schemas/<major>/<minor>/*.avsc).
With --distinct each alert has identifiers of its own: those of all versions are the same example.
"""

import io
import pathlib
import re
import sys

import fastavro
import fastavro.schema

folder, out = map(pathlib.Path, sys.argv[1:3])
out.mkdir(parents=True, exist_ok=True)
for path in sorted(folder.glob("*.avro")):
    major, minor = re.fullmatch(r"lsst\.v(\d+)_(\d+)\.avro", path.name).groups()
    schema = fastavro.schema.load_schema(folder / "schemas" / major / minor / f"lsst.v{major}_{minor}.alert.avsc")
    message = path.read_bytes()
    assert message[:5] == b"\0" + (int(major) * 100 + int(minor)).to_bytes(4, "big")
    alert = fastavro.schemaless_reader(io.BytesIO(message[5:]), schema)
    if "--distinct" in sys.argv:
        number = int(major) * 100 + int(minor)
        for record in (alert, alert["diaSource"]):
            for name in ("alertId", "diaSourceId"):
                if name in record:
                    record[name] += number
    with open(out / path.name, "wb") as file:
        fastavro.writer(file, schema, [alert])
