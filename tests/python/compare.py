"""Reads a topic with fink-client and compares every field of every alert with the original Avro files.

usage: compare.py SERVERS USER PASSWORD_FILE SURVEY TOPIC FOLDER [--text]

Prints a line for each kind of difference and exits with 1 where there is one that is not expected. With --text (the layout of 2019) the
differences that the layout forces are expected, and listed: see `forced`.
"""

import glob
import math
import os
import struct
import sys
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


def forced(sent, original):
    """Differences that the layout of 2019 forces: nulls inside a struct were filled on write."""
    return original is None and sent in ("", 0, 0.0, True, b"")


def main():
    servers, user, password_file, survey, topic, folder = sys.argv[1:7]
    text = "--text" in sys.argv
    originals = {}
    for name in glob.glob(f"{folder}/**/*.avro", recursive=True):
        if os.path.basename(name).startswith("DAMAGED"):
            continue
        with open(name, "rb") as file:
            for alert in fastavro.reader(file):
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
