"""The alerts, as they were before fink touched them."""

import glob

import fastavro
import pandas as pd

NUMBERS = {"float": "float32", "double": "float64", "int": "Int64", "long": "Int64"}


def frame(folder):
    """The columns that rules may ask, one row an alert, in the types of the alerts' schema."""
    rows, types = [], {}
    for name in sorted(glob.glob(f"{folder}/**/*.avro", recursive=True)):
        with open(name, "rb") as file:
            reader = fastavro.reader(file)
            types = types or number_types(reader.writer_schema)
            for alert in reader:
                row = {f"candidate_{key}": value for key, value in alert["candidate"].items()}
                for column in ("objectId", "candid", "cross_match_alerts_per_batch"):
                    row[column] = alert[column]
                rows.append(row)
    table = pd.DataFrame(rows)
    for column in table.columns.intersection(list(types)):
        # Int64, which knows null: as floats, identifiers would lose their last digits.
        table[column] = table[column].astype(NUMBERS[types[column]])
    return table


def number_types(schema):
    """The columns of numbers, and their Avro types."""
    types = {}
    for field in schema["fields"]:
        if field["name"] == "candidate":
            types.update({f"candidate_{inner['name']}": kind(inner["type"]) for inner in field["type"]["fields"]})
        else:
            types[field["name"]] = kind(field["type"])
    return {column: kind for column, kind in types.items() if isinstance(kind, str) and kind in NUMBERS}


def kind(node):
    """The type of a field, of a nullable one that of its values."""
    return next(branch for branch in node if branch != "null") if isinstance(node, list) else node
