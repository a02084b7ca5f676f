"""Reads a topic with fink-client and compares every field of every alert with the original Avro files.

usage: compare.py SERVERS USER PASSWORD_FILE SURVEY TOPIC FOLDER [--text]

Prints a line for each kind of difference and exits with 1 where there is one that is not expected. With --text (the layout of 2019) the
differences that the layout forces are expected, and listed: see `forced`.
"""

import glob
import io
import json
import math
import os
import struct
import sys
import tarfile
import tempfile
from collections import Counter

import fastavro
from fink_client.consumer import AlertConsumer


def identity(alert, survey):
    """What an alert is known by."""
    if survey == "ztf":
        return alert["candid"]
    return alert.get("diaSourceId") or alert["diaSource"]["diaSourceId"]


def same(one, other):
    """Equal, floats bit for bit."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack(">d", one) == struct.pack(">d", other) or math.isnan(one) and math.isnan(other)
    return type(one) is type(other) and one == other


def differences(path, sent, original):
    """Yields (path, sent, original) for all leaves that differ."""
    if isinstance(sent, dict) and isinstance(original, dict):
        for key in sorted(sent.keys() | original.keys()):
            if key not in sent or key not in original:
                yield f"{path}.{key}", sent.get(key, "(no field)"), original.get(key, "(no field)")
            else:
                yield from differences(f"{path}.{key}", sent[key], original[key])
    elif isinstance(sent, list) and isinstance(original, list) and len(sent) == len(original):
        for one, other in zip(sent, original):
            yield from differences(path + "[]", one, other)
    elif not same(sent, original):
        yield path, sent, original


HEADER = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}


def alerts_of(name):
    """The alerts of a file. fastavro refuses a file with defaults that do not fit, unless it is told to read its schema all the same."""
    if name.endswith(".tar.gz"):
        with tarfile.open(name) as archive:
            members = [archive.extractfile(member) for member in archive if member.name.endswith(".avro")]
            return [alert for member in members for alert in fastavro.reader(member)]
    with open(name, "rb") as file:
        try:
            return list(fastavro.reader(file))
        except fastavro.schema.SchemaParseException as error:
            print(f"{os.path.basename(name)}: {error}")
        file.seek(0)
        header = fastavro.schemaless_reader(file, HEADER)
        assert header["meta"].get("avro.codec", b"null") == b"null"
        schema = fastavro.parse_schema(json.loads(header["meta"]["avro.schema"]), _ignore_default_error=True)
        alerts = []
        while file.peek(1):
            count = fastavro.schemaless_reader(file, "long")
            block = io.BytesIO(fastavro.schemaless_reader(file, "bytes"))
            alerts += [fastavro.schemaless_reader(block, schema) for _ in range(count)]
            assert file.read(16) == header["sync"]
        return alerts


def forced(sent, original):
    """Differences that the layout of 2019 forces: nulls inside a struct were filled on write."""
    return original is None and sent in ("", 0, 0.0, True, b"")


def main():
    servers, user, password_file, survey, topic, folder = sys.argv[1:7]
    text = "--text" in sys.argv
    originals = {}
    names = glob.glob(f"{folder}/**/*.avro", recursive=True) + glob.glob(f"{folder}/**/*.tar.gz", recursive=True)
    for name in names:
        if os.path.basename(name).startswith("DAMAGED"):
            continue
        for alert in alerts_of(name):
            originals[identity(alert, survey)] = alert
    with open(password_file, encoding="utf-8") as file:
        password = file.read().strip()
    config = {
        "bootstrap.servers": servers,
        "username": user,
        "password": password,
        "group.id": "fink_" + next(tempfile._get_candidate_names()),
    }
    consumer = AlertConsumer([topic], config, survey=survey)
    found, unexpected, expected = Counter(), Counter(), Counter()
    silent = 0
    while silent < 3 and sum(found.values()) < len(originals) + 1:
        _, alert, _ = consumer.poll(5)
        if alert is None:
            silent += 1
            continue
        name = identity(alert, survey)
        found[name] += 1
        for path, sent, original in differences("", alert, originals.get(name, {})):
            (expected if text and forced(sent, original) else unexpected)[path] += 1
            if unexpected[path] == 1:
                print(f"{name}{path}: sent {str(sent)[:80]!r}, original {str(original)[:80]!r}")
    missing = len(originals.keys() - found.keys())
    twice = sum(1 for count in found.values() if count > 1)
    strange = len(found.keys() - originals.keys())
    print(f"{len(originals)} originals, {sum(found.values())} alerts: {missing} missing, {twice} twice, {strange} unknown")
    for path, count in sorted(expected.items()):
        print(f"forced by the layout: {path[1:]} in {count} values (null was filled)")
    print(f"{sum(unexpected.values())} differences in {len(unexpected)} fields")
    sys.exit(1 if missing or twice or strange or unexpected or not originals else 0)


if __name__ == "__main__":
    main()
