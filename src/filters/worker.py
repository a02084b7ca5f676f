"""A filter worker of fink: imports the user's filters and calls them with columns read from stdin. protocol.rs describes the frames."""

import importlib
import inspect
import json
import os
import resource
import signal
import struct
import sys
import traceback


def take_pipes():
    """Moves the pipes to fink away from stdin and stdout: what filters print goes to stderr, and their stdin is empty."""
    requests = os.fdopen(os.dup(0), "rb")
    responses = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, responses


def read(requests):
    """The next request as (header, body), or None at the end of the stream."""
    lengths = requests.read(12)
    if len(lengths) < 12:
        return None
    header_len, body_len = struct.unpack(">IQ", lengths)
    header, body = requests.read(header_len), requests.read(body_len)
    if len(header) < header_len or len(body) < body_len:
        return None
    return json.loads(header), body


def write(responses, header, body=b""):
    header = json.dumps(header).encode()
    responses.write(struct.pack(">IQ", len(header), len(body)) + header + body)
    responses.flush()


def is_internal(file):
    """Whether a traceback line is of this file or of the import machinery, and of no use to the user."""
    return file == __file__ or file == importlib.__file__ or file.startswith("<frozen importlib")


def format_error(error):
    """An error with its traceback, without internal lines at its start."""
    trace = error.__traceback__
    while trace is not None and is_internal(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).strip()


def missing_module_hint(error, module, path):
    """Where Python has looked for a module that it did not find; nothing for other errors. `module` is that of the filter."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    folders = ", ".join(path) or "empty"
    if error.name == module or module.startswith(error.name + "."):
        return f"; set filters.path to the directory that contains `{error.name.split('.')[0]}` (it is: {folders})"
    return f"; install it for {sys.executable}, or set filters.path to the directory that contains it (it is: {folders})"


def unwrapped(function):
    """The user's function where it is wrapped in a pandas_udf."""
    while hasattr(function, "returnType") and hasattr(function, "func"):
        function = function.func
    return function


def load(module, name):
    """A filter and its parameters, as [name, whether it has a default]."""
    function = unwrapped(getattr(importlib.import_module(module), name))
    if not callable(function):
        raise TypeError(f"{name} is not a function")
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        optional = parameter.default is not parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"its argument `{parameter.name}` has no name for callers: remove the `/` from its definition")
        parameters.append([parameter.name, optional])
    if not parameters:
        raise TypeError("it has no arguments: name the columns of the alerts that it uses")
    return function, parameters


def limit_memory(more):
    """Limits the process to `more` bytes beyond what it has; allocating more raises a MemoryError."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[0])
    limit = pages * resource.getpagesize() + more
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


class Columns:
    """The columns of one request, as pandas objects."""

    def __init__(self, body, described):
        self.table = pa.ipc.open_stream(body).read_all().combine_chunks()
        self.described = described
        self.made = {}

    def rows(self, mask):
        return self.table.num_rows if mask is None else pc.sum(self.table.column(mask)).as_py()

    def get(self, index, mask):
        """A column, of the rows of a mask. Each call gets a copy: a filter that changes it does not affect the others."""
        if (index, mask) not in self.made:
            column = self.table.column(index)
            if mask is not None:
                column = column.filter(self.table.column(mask))
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks)
            described = self.described[index]
            self.made[index, mask] = frame(column) if described["frame"] else series(column, described["dicts"])
        return self.made[index, mask].copy()


def series(column, dicts):
    """A Series. Text, bytes and lists are objects and null is None, in every version of pandas."""
    kind = column.type
    if dicts:
        return objects(column.to_pylist(maps_as_pydicts="lossy"))
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_list(kind):
        return objects(column.to_numpy(zero_copy_only=False))
    return column.to_pandas()


def objects(values):
    made = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        made[at] = value
    return pd.Series(made, dtype=object)


def frame(column):
    """A DataFrame of a record's fields; where the record is null, all its fields are null."""
    fields = column.flatten()
    made = {}
    for at, values in enumerate(fields):
        field = column.type.field(at)
        dicts = pa.types.is_struct(field.type) or pa.types.is_map(field.type)
        dicts = dicts or pa.types.is_large_list(field.type) and pa.types.is_nested(field.type.value_type)
        made[field.name] = series(values, dicts)
    return pd.DataFrame(made, index=pd.RangeIndex(len(column)))


def checked(result, rows):
    """A filter's result as bytes, a 0 or 1 for each row. Raises a TypeError where it is not one boolean for each row."""
    if isinstance(result, pd.Series):
        index = result.index
        if len(result) == rows and not index.equals(pd.RangeIndex(rows)):
            raise TypeError("the filter returned the rows in another order, or with another index, than it was given them")
        result = result.to_numpy() if isinstance(result.dtype, np.dtype) else result.array
    elif not isinstance(result, (np.ndarray, list, tuple, pd.api.extensions.ExtensionArray)):
        raise TypeError(f"the filter returned {article(type(result).__name__)}, not a Series or an array of booleans")
    if isinstance(result, np.ndarray) and result.ndim != 1:
        raise TypeError(f"the filter returned an array of {result.ndim} dimensions, not of one")
    if len(result) != rows:
        raise TypeError(f"the filter returned {len(result)} values for {rows} alerts")
    dtype = getattr(result, "dtype", None)
    if dtype == np.dtype(bool):
        return np.asarray(result, dtype=bool).tobytes()
    if dtype is not None and dtype != object and str(dtype) not in ("boolean", "bool[pyarrow]"):
        raise TypeError(f"the filter returned values of type {dtype}, not booleans")
    for at, value in enumerate(result):
        if value is None or value is pd.NA or value is pd.NaT or isinstance(value, float) and value != value:
            raise TypeError(f"the filter returned {value} for alert {at + 1} of {rows}, not true or false")
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"the filter returned {article(type(value).__name__)} for alert {at + 1} of {rows}, not true or false")
    return np.fromiter(result, dtype=bool, count=rows).tobytes()


def article(name):
    return ("an " if name[:1].lower() in "aeiou" else "a ") + name


def run(request, body, functions, timeout, responses):
    columns = Columns(body, request["columns"])
    for call in request["calls"]:
        number, mask = call["call"], call["mask"]
        write(responses, {"begin": number})
        # If fink itself was killed, nothing else ends a filter that never returns.
        signal.setitimer(signal.ITIMER_REAL, 2 * timeout + 10)
        try:
            arguments = {name: columns.get(index, mask) for name, index in call["arguments"]}
            kept = checked(functions[call["function"]](**arguments), columns.rows(mask))
            del arguments
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            write(responses, {"failed": {"call": number, "reason": format_error(error)}})
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)
            write(responses, {"kept": number}, kept)
    write(responses, "done")


def main():
    requests, responses = take_pipes()
    functions, timeout = {}, 0
    while (request := read(requests)) is not None:
        header, body = request
        if header["do"] == "run":
            run(header, body, functions, timeout, responses)
            continue
        try:
            prepare(header["path"])
        except ImportError as error:
            write(responses, {"not_ready": f"{error}: install the packages with `{sys.executable} -m pip install pandas pyarrow`"})
            continue
        loaded = []
        for at, (module, name) in enumerate(header["functions"]):
            try:
                functions[at], parameters = load(module, name)
                loaded.append({"parameters": parameters})
            except BaseException as error:
                loaded.append({"error": format_error(error) + missing_module_hint(error, module, header["path"])})
        timeout = header["timeout"]
        limit_memory(header["memory"])
        write(responses, {"loaded": loaded})


def prepare(path):
    """Imports the packages that this file uses. The folders of the configuration come first in sys.path."""
    global np, pa, pc, pd
    sys.path[:0] = path
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc


main()
