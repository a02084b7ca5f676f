"""Random Python filters as astronomers write them: the source of a module, and which alerts they keep when called by hand."""

import importlib.util
import random

# Each with the columns it asks and what it says of them; `low` and `high` bound magpsf.
KINDS = [
    (["magpsf", "rb"], "magpsf.between({low}, {high}) & (rb > 0.3)"),
    (["magpsf", "ra", "dec"], "magpsf.between({low}, {high}) & (np.hypot(ra - 180, dec) < 120)"),
    (["cross_match_alerts_per_batch", "magpsf"], "magpsf.between({low}, {high}) & cross_match_alerts_per_batch.isin({classes})"),
    (["magpsf", "sigmapsf"], "(sigmapsf / magpsf < sigmapsf.abs() + 1) & magpsf.between({low}, {high})"),
    (["objectId", "magpsf"], "magpsf.between({low}, {high}) & ~objectId.str.endswith('a')"),
]


def module(frame, count, kept, seed):
    """The source of a module with `count` filters, such that an alert passes about `kept` of them."""
    rng = random.Random(seed)
    classes = sorted(frame["cross_match_alerts_per_batch"].dropna().unique())
    values, share = frame["candidate_magpsf"].sort_values(), min(1.0, kept / count)
    source = "import numpy as np\nimport pandas as pd\n"
    for number in range(count):
        columns, words = KINDS[number % len(KINDS)]
        first = rng.random() * (1 - share)
        low, high = (float(values.iloc[int(part * (len(values) - 1))]) for part in (first, first + share))
        some = rng.sample(classes, min(len(classes), 3))
        body = words.format(low=low, high=high, classes=some)
        arguments = ", ".join(f"{column}: pd.Series" for column in columns)
        source += f"\n\ndef f{number}({arguments}) -> pd.Series:\n    return {body}\n"
    return source


def keep(path, frame):
    """For each filter of the module its name and the identifiers of the alerts that it keeps."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    functions = [(name, member) for name, member in vars(loaded).items() if getattr(member, "__module__", "") == path.stem]
    return {name: set(frame["candid"][_call(function, frame)]) for name, function in functions}


def _call(function, frame):
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return function(*(frame[name] if name in frame else frame[f"candidate_{name}"] for name in names))
