"""Makes the tables of Fink's present writer out of enriched alerts, and compares alerts of topics with them.

usage: fink_tables.py write KIND TABLE FOLDER OUT [--annotate]
       fink_tables.py compare SURVEY SERVERS USER PASSWORD_FILE TOPIC OUT [COLUMN...]

KIND is static (Rubin's detections of objects, by object and time), tag (what one filter keeps, by time and object) or ztf. write writes to the
folder OUT what Fink's Spark job would: the catalog (catalog.json), and the rows with a row of type names at the end (rows, for
FinkTableWriter.java); and for compare the values of each row (values). With --annotate every second row has a text in the column without a
qualifier that ends each of Fink's catalogs.

compare reads a topic with fink-client: each row arrives once, and has in each column (or in those named, and no others) its value, null where
it has none. Words of booleans may be booleans and lists may be arrays, as a schema of the stream's own has them.
"""

import base64
import collections
import glob
import json
import math
import os
import pickle
import struct
import sys
import tempfile

import fastavro

# What one night's writer was: the row of type names has it in its key.
VERSION = "schema_4.1_8.30"


def base(kind):
    """A type without null."""
    if isinstance(kind, list):
        [kind] = [branch for branch in kind if branch != "null"]
    return kind


def fields(schema, named, *path):
    """The fields of a record of the alert, with their types."""
    kind = schema
    for name in path:
        kind = base({field["name"]: field["type"] for field in kind["fields"]}[name])
        kind = named.get(kind, kind) if isinstance(kind, str) else kind
    return [(field["name"], base(field["type"])) for field in kind["fields"]]


def spark(kind):
    """Spark's name of an Avro type."""
    names = {"int": "integer"}
    assert kind in ("int", "long", "float", "double", "string", "boolean"), kind
    return names.get(kind, kind)


def at(alert, *path):
    """A value of the alert."""
    for name in path:
        alert = None if alert is None else alert.get(name)
    return alert


def rubin_columns(schema, named):
    """Column, family, type and path: the root, the detection, what Fink adds."""
    columns = [(name, "r", "string", (name,)) for name in ("observation_reason", "target_name")]
    columns.append(("salt", "r", "string", ("salt",)))
    columns += [(name, "r", spark(kind), ("diaSource", name)) for name, kind in fields(schema, named, "diaSource")]
    for section in ("xm", "clf"):
        columns += [
            (f"{section}_{name}", "f", spark(kind), (section, name)) for name, kind in fields(schema, named, section)
        ]
    versions = ("fink_broker_version", "fink_science_version", "lsst_schema_version")
    return columns + [(name, "f", "string", (name,)) for name in versions]


def ztf_columns(schema, named):
    """The same for ZTF: features are arrays and cross-matches of maps single columns."""
    root = ("fink_broker_version", "fink_science_version", "objectId", "publisher", "candid", "schemavsn")
    types = dict(fields(schema, named))
    columns = [(name, "i", spark(types[name]), (name,)) for name in root]
    columns += [(name, "i", spark(kind), ("candidate", name)) for name, kind in fields(schema, named, "candidate")]
    added = list(types)[list(types).index("cdsxmatch") : list(types).index("brokerEndProcessTimestamp")]
    for name in added:
        if name.startswith("lc_features_"):
            columns.append((name, "d", "doubles", (name,)))
        elif name == "mangrove":
            inner = ("HyperLEDA_name", "2MASS_name", "lum_dist", "ang_dist")
            columns += [(f"{name}_{part}", "d", "string", (name, part)) for part in inner]
        elif name == "blazar_stats":
            inner = ("instantness_low", "robustness_low", "instantness_high", "robustness_high")
            columns += [(f"{name}_{part}", "d", "float", (name, part)) for part in inner]
        else:
            columns.append((name, "d", spark(types[name]), (name,)))
    return columns


def salt(number):
    """The last three digits."""
    return str(number)[-3:].rjust(3, "0")


def java(value):
    """A value as Java reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


def typed(kind, value):
    """A value for FinkTableWriter."""
    text = ",".join(map(java, value)) if isinstance(value, list) else java(value)
    return f"{kind}:{base64.b64encode(text.encode()).decode()}"


def write(kind, table, folder, out, annotate=None):
    """See the top."""
    alerts = []
    for name in sorted(glob.glob(f"{folder}/*.avro")):
        with open(name, "rb") as file:
            reader = fastavro.reader(file)
            alerts += reader
    named = {}
    schema = fastavro.parse_schema(reader.writer_schema, named_schemas=named)
    columns = ztf_columns(schema, named) if kind == "ztf" else rubin_columns(schema, named)
    key = {
        "static": ["salt", "diaObjectId", "midpointMjdTai"],
        "tag": ["midpointMjdTai", "diaObjectId"],
        "ztf": ["objectId", "jd"],
    }[kind]
    types = {name: kind for name, _, kind, _ in columns}
    rows, values = [], []
    for alert in alerts:
        if kind != "ztf" and alert["diaObject"] is None:
            continue
        # The job of the filters does not make the column that the others have.
        alert["salt"] = salt(alert["diaObject"]["diaObjectId"]) if kind == "static" else None
        found = {name: at(alert, *path) for name, _, _, path in columns}
        for name, of in types.items():
            if of == "doubles":
                found[name] = [None] * 26 if found[name] is None else list(found[name].values())
        row = [" ".join(typed(types[part], found[part]) for part in key)]
        for name, family, of, _ in columns:
            if found[name] is not None:
                row.append(f"{family} {base64.b64encode(name.encode()).decode()} {typed(of, found[name])}")
        found["annotation"] = f"note {len(rows)}" if annotate and len(rows) % 2 == 0 else None
        if found["annotation"]:
            row.append(f"a  {typed('string', found['annotation'])}")
        rows.append("\t".join(row))
        values.append(found)
    # The row of type names, all of them text.
    names = {"doubles": "string"}
    row = [typed("string", VERSION)]
    for name, family, of, _ in columns:
        row.append(f"{family} {base64.b64encode(name.encode()).decode()} {typed('string', names.get(of, of))}")
    rows.append("\t".join(row))
    catalog = {
        "table": {"namespace": "default", "name": table},
        "rowkey": "_".join(key),
        "columns": {
            name: {"cf": family, "col": name, "type": "string" if of in ("boolean", "doubles") else of}
            for name, family, of, _ in columns
        },
    }
    catalog["columns"]["_".join(key)] = {"cf": "rowkey", "col": "_".join(key), "type": "string"}
    catalog["columns"]["annotation"] = {"cf": "a", "col": "", "type": "string"}
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/catalog.json", "w", encoding="utf-8") as file:
        # The JSON of a string that holds JSON.
        json.dump(json.dumps(catalog, indent=4), file)
    with open(f"{out}/rows", "w", encoding="ascii") as file:
        file.writelines(row + "\n" for row in rows)
    with open(f"{out}/values", "wb") as file:
        pickle.dump((key, types, values), file)
    print(len(values))


def same(kind, sent, value):
    """Whether a column arrived as it was written."""
    if sent is None or value is None:
        return sent is value
    if kind == "boolean":
        return sent is value or sent == ("true" if value else "false")
    if kind == "doubles":
        if isinstance(sent, str):
            sent = [None if item == "null" else float(item) for item in sent[1:-1].split(", ")]
        return len(sent) == len(value) and all(same("double", one, other) for one, other in zip(sent, value))
    if isinstance(value, float) and math.isnan(value):
        return math.isnan(sent)
    if isinstance(value, float):
        return struct.pack(">d", sent) == struct.pack(">d", value)
    return type(sent) is type(value) and sent == value


def compare(survey, servers, user, password_file, topic, out, *columns):
    """See the top."""
    from fink_client.consumer import AlertConsumer

    with open(f"{out}/values", "rb") as file:
        key, types, values = pickle.load(file)
    identity = "candid" if survey == "ztf" else "diaSourceId"
    written = {row[identity]: row for row in values}
    with open(password_file, encoding="utf-8") as file:
        password = file.read().strip()
    group = "fink_" + next(tempfile._get_candidate_names())
    config = {"bootstrap.servers": servers, "username": user, "password": password, "group.id": group}
    consumer = AlertConsumer([topic], config, survey=survey)
    found, silent, notes = collections.Counter(), 0, 0
    # A group takes its time to form on a busy machine.
    while silent < (2 if found else 12):
        _, alert, _ = consumer.poll(5)
        if alert is None:
            silent += 1
            continue
        row = written[alert[identity]]
        found[alert[identity]] += 1
        expected = columns or [*types, "annotation", "_".join(key)]
        notes += alert.get("annotation") is not None
        assert sorted(alert) == sorted(expected), sorted(alert)
        for name, sent in alert.items():
            if name == "_".join(key):
                parts = sent.split("_")
                wanted = [row[part] for part in key]
                assert len(parts) == len(wanted), sent
                for part, value in zip(parts, wanted):
                    assert float(part) == value if isinstance(value, float) else part == str(value), (sent, wanted)
            else:
                assert same(types.get(name), sent, row[name]), (alert[identity], name, sent, row[name])
    assert max(found.values()) == 1, found.most_common(3)
    print(json.dumps({"alerts": len(found), "ids": sorted(found), "columns": len(expected), "notes": notes}))


{"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
