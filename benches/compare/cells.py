"""From the cells of a row back to the nested record that its Avro schema describes.

A column is found by its flattened name: the path's names joined by `_`. An array of records is either one column that
holds an Avro datum, or one text column for each field, `[2458.1,, 2458.3]`, a null element being empty.

Where a union is to be written, fastavro is told its branch, as (branch, value): else it would validate each value to
find the branch that fits, which takes longer than the encoding.
"""

import io
import json
import re
import struct

import fastavro

# HBase "PrimitiveType": numbers are big-endian.
_NUMBERS = {
    "byte": ">b",
    "short": ">h",
    "int": ">i",
    "integer": ">i",
    "long": ">q",
    "float": ">f",
    "double": ">d",
}
_EMPTY_ELEMENT = re.compile(r"(?<=[\[,])(?=[,\]])")


def load_catalog(path):
    """The catalog file: an object, or (as written in 2019) a string that holds one."""
    with open(path, encoding="utf-8") as file:
        catalog = json.load(file)
    return json.loads(catalog) if isinstance(catalog, str) else catalog


class Rows:
    """Makes records of rows: `Rows(catalog, schema).record(cells)`, cells by (family, qualifier).

    The schema is as fastavro has parsed it: all names are full ones.
    """

    def __init__(self, catalog, schema):
        self._catalog = catalog
        self._columns = catalog["columns"]
        self._named = {}
        self.record = self._record(schema, "")

    def _record(self, schema, prefix):
        self._named[schema["name"]] = schema
        fields = [(f["name"], self._field(f["type"], prefix + f["name"])) for f in schema["fields"]]

        def decode(cells):
            return {name: field(cells) for name, field in fields}

        return decode

    def _field(self, kind, name):
        nullable = isinstance(kind, list)
        if nullable:
            branches = [branch for branch in kind if branch != "null"]
            if len(branches) != 1:
                raise ValueError(f"{name}: a union of {kind} is not one of T and null")
            kind = branches[0]
        if isinstance(kind, str):
            kind = self._named.get(kind, kind)
        record = isinstance(kind, dict) and kind["type"] == "record"
        if name in self._columns and (not record or self._columns[name]["type"] == "avro"):
            return self._leaf(name, kind, nullable)
        if record:
            return self._nullable_record(kind, name) if nullable else self._record(kind, name + "_")
        if isinstance(kind, dict) and kind["type"] == "array":
            return self._text_array(kind["items"], name, nullable)
        raise ValueError(f"{name}: the catalog has no such column")

    def _place(self, name):
        column = self._columns[name]
        return column["cf"].encode(), column["col"].encode()

    def _leaf(self, name, kind, nullable):
        place = self._place(name)
        decode = self._decoder(self._columns[name])
        branch = _branch(kind)

        def optional(cells):
            value = cells.get(place)
            return None if value is None else (branch, decode(value))

        def required(cells):
            return decode(cells[place])

        return optional if nullable else required

    def _decoder(self, column):
        kind = column["type"]
        if kind in _NUMBERS:
            unpack = struct.Struct(_NUMBERS[kind]).unpack
            return lambda value: unpack(value)[0]
        if kind == "string":
            return bytes.decode
        if kind == "binary":
            return bytes
        if kind == "boolean":
            return lambda value: value != b"\0"
        schema = column["avro"]
        schema = fastavro.parse_schema(self._catalog["schemas"][schema] if isinstance(schema, str) else schema)
        return lambda value: fastavro.schemaless_reader(io.BytesIO(_datum(value)), schema)

    def _nullable_record(self, schema, name):
        """None where the row has none of its cells, nor one of its own that says it is there."""
        decode = self._record(schema, name + "_")
        branch = _branch(schema)
        places = [self._place(column) for column in self._columns if column == name or column.startswith(name + "_")]

        def optional(cells):
            return (branch, decode(cells)) if any(place in cells for place in places) else None

        return optional

    def _text_array(self, items, name, nullable):
        if isinstance(items, str):
            items = self._named[items]
        self._named[items["name"]] = items
        names = [field["name"] for field in items["fields"]]
        columns = [(self._place(f"{name}_{field['name']}"), _text_column(field["type"])) for field in items["fields"]]
        first = columns[0][0]

        def decode(cells):
            if first not in cells:
                return None
            parsed = [parse(cells[place].decode()) for place, parse in columns]
            records = [dict(zip(names, values)) for values in zip(*parsed)]
            return ("array", records) if nullable else records

        return decode


def _datum(cell):
    """What follows the header of a single object, which names the cell's schema: here all cells have the column's."""
    return cell[10:] if cell.startswith(b"\xc3\x01") else cell


def _branch(kind):
    """What fastavro calls this branch of a union."""
    if isinstance(kind, str):
        return kind
    return kind["name"] if kind["type"] in ("record", "enum", "fixed") else kind["type"]


def _text_column(kind):
    """Parses one field's text into its values, in the order of the array's elements."""
    nullable = isinstance(kind, list)
    branch = _branch(next(b for b in kind if b != "null") if nullable else kind)
    parse = _strings if branch == "string" else _numbers
    if not nullable:
        return parse
    return lambda text: [None if value is None else (branch, value) for value in parse(text)]


def _numbers(text):
    # Numbers, true, false and NaN stand there as JSON's reader takes them; only a null needs its word.
    if ",," in text or "[," in text or ",]" in text:
        text = _EMPTY_ELEMENT.sub("null", text)
    return json.loads(text)


def _strings(text):
    inner = text[1:-1]
    return [value.removeprefix(" ") or None for value in inner.split(",")] if inner else []
