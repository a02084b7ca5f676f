"""Compares what `fink consume --save DIR --by topic` wrote with the alert files that were sent: every field, floats bit for bit.

usage: saved_exactly.py compare SURVEY DIR ORIGINALS
       saved_exactly.py version ORIGINALS FOLDER

compare: ORIGINALS is an Avro file or a folder; each folder of DIR must hold each of its alerts once, in files of Avro (read with fastavro) or of
Parquet (read with pyarrow). Prints a line for each folder. version: copies the originals to FOLDER with the two columns that Fink's broker adds for
its versions.
"""

import pathlib
import sys

import fastavro
import pyarrow.parquet as pq
from compare import alerts_of, differences, identity

VERSIONS = {"fink_broker_version": "4.0", "fink_science_version": "5.1"}


def files_of(place):
    """The Avro files of a folder, but the damaged one, or the file itself."""
    place = pathlib.Path(place)
    found = [place] if place.is_file() else sorted([*place.rglob("*.avro"), *place.rglob("*.tar.gz")])
    return [file for file in found if not file.name.startswith("DAMAGED")]


def like(value, original):
    """A value of Parquet in the form in which fastavro gives it: a map is a list of pairs, a union of several types a struct of members."""
    if isinstance(value, dict) and value and all(name.startswith("member") for name in value):
        value = next((member for member in value.values() if member is not None), None)
    if isinstance(value, list) and isinstance(original, dict):
        value = dict(value)
    if isinstance(value, dict) and isinstance(original, dict):
        return {name: like(part, original.get(name)) for name, part in value.items()}
    if isinstance(value, list) and isinstance(original, list) and len(value) == len(original):
        return [like(part, other) for part, other in zip(value, original)]
    return value


def compare(survey, folder, originals):
    sent = {identity(alert, survey): alert for file in files_of(originals) for alert in alerts_of(str(file))}
    assert sent, "no original"
    topics = [entry for entry in sorted(pathlib.Path(folder).iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    for topic in topics:
        saved = [alert for file in sorted(topic.rglob("*.avro")) for alert in alerts_of(str(file))]
        for file in sorted(topic.rglob("*.parquet")):
            saved += [like(alert, sent.get(identity(alert, survey))) for alert in pq.ParquetFile(file).read().to_pylist()]
        names = sorted(identity(alert, survey) for alert in saved)
        assert names == sorted(sent), f"{topic}: {len(names)} alerts, {len(sent)} were sent"
        for alert in saved:
            for path, got, wanted in differences("", alert, sent[identity(alert, survey)]):
                raise SystemExit(f"{topic}: {identity(alert, survey)}{path} is {str(got)[:80]!r}, not {str(wanted)[:80]!r}")
        print(topic.name, len(saved))


def version(originals, folder):
    folder = pathlib.Path(folder)
    folder.mkdir()
    for file in files_of(originals):
        with open(file, "rb") as opened:
            reader = fastavro.reader(opened)
            schema = dict(reader.writer_schema)
            alerts = [{**alert, **VERSIONS} for alert in reader]
        schema["fields"] = schema["fields"] + [{"name": name, "type": "string"} for name in VERSIONS]
        with open(folder / file.name, "wb") as opened:
            fastavro.writer(opened, schema, alerts)


if __name__ == "__main__":
    {"compare": compare, "version": version}[sys.argv[1]](*sys.argv[2:])
