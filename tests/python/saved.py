"""Reads back what `fink consume --save` wrote, with the libraries that astronomers use.

usage: saved.py FOLDER ORIGINAL…

Reads all *.avro with fastavro and with fink-client's AlertReader, and all *.parquet with pyarrow and pandas, beneath FOLDER. Each alert is compared
with the one of the ORIGINAL Avro files that has the same objectId and jd, or diaSourceId. Prints one JSON object: the ids in the files, sorted; the
types of some columns; differences.
"""

import glob
import json
import math
import os
import sys

import fastavro
import pandas as pd
import pyarrow.parquet as pq

folder, originals = sys.argv[1], sys.argv[2:]


def identity(alert):
    """What is the same in all copies of an alert."""
    if "candidate" in alert:
        return (alert["objectId"], alert["candidate"]["jd"])
    return alert.get("diaSourceId") or alert["diaSource"]["diaSourceId"]


def id_of(alert):
    if alert.get("candid") is not None:
        return alert["candid"]
    return alert.get("diaSourceId") or alert["diaSource"]["diaSourceId"]


known = {}
for path in originals:
    with open(path, "rb") as file:
        for alert in fastavro.reader(file):
            known[identity(alert)] = alert

differences = []


def compare(path, name, saved, original):
    """Values of files against values of the original; what was left out is not compared."""
    if isinstance(original, dict) and isinstance(saved, list):
        saved = dict(saved)  # a map of Parquet is a list of pairs
    if isinstance(original, dict):
        for key, value in original.items():
            if isinstance(saved, dict) and key in saved:
                if not (name == "" and key == "candid"):
                    compare(path, f"{name}.{key}", saved[key], value)
            elif not key.startswith("cutout"):
                differences.append(f"{path}: {name}.{key} is missing")
        return
    if isinstance(original, list):
        if saved is None or len(saved) != len(original):
            differences.append(f"{path}: {name} has another length")
            return
        for a, b in zip(saved, original):
            compare(path, f"{name}[]", a, b)
        return
    same = saved == original or (isinstance(original, float) and isinstance(saved, float) and math.isnan(saved) and math.isnan(original))
    if not same or (saved is not None and type(saved) is not type(original)):
        differences.append(f"{path}: {name} is {saved!r:.60}, not {original!r:.60}")


ids, types = [], {}
for path in glob.glob(os.path.join(folder, "**", "*.avro"), recursive=True):
    with open(path, "rb") as file:
        for alert in fastavro.reader(file):
            ids.append(id_of(alert))
            compare(path, "", alert, known[identity(alert)])
if ids:
    from fink_client.avro_utils import AlertReader

    for path in {os.path.dirname(p) for p in glob.glob(os.path.join(folder, "**", "*.avro"), recursive=True)}:
        seen = AlertReader(path).to_list()
        assert len(seen) > 0, path
for path in glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True):
    table = pq.ParquetFile(path).read()
    for field in table.schema:
        types[field.name] = str(field.type)
    for alert in table.to_pylist():
        ids.append(id_of(alert))
        compare(path, "", alert, known[identity(alert)])
    frame = pd.read_parquet(path, partitioning=None)
    if "candid" in frame:
        assert str(frame["candid"].dtype) == "int64", frame["candid"].dtype
print(json.dumps({"ids": sorted(ids), "types": {k: v for k, v in types.items() if not v.startswith("struct")}, "differences": differences[:10]}))
