"""Random rules: as the XML that fink reads, and as what they mean for a pandas data frame. The two are written apart on purpose."""

import random
from xml.sax.saxutils import quoteattr

# Columns of candidate with many values, so that a range of one keeps any share of the alerts.
NUMBERS = ["magpsf", "sigmapsf", "ra", "dec", "magap", "sigmagap", "xpos", "ypos", "distnr", "magnr"]


def leaf(column, operator, value=None):
    """One condition: on a column of candidate, or on one at the top where the name begins with `/`."""
    return ("leaf", column, operator, value)


def rule_set(frame, count, kept, seed):
    """`count` lists of conditions, such that an alert passes about `kept` of them."""
    rng = random.Random(seed)
    return [random_rules(frame, kept / count, rng) for _ in range(count)]


def random_rules(frame, share, rng):
    """Conditions of which all hold for about this share of the alerts."""
    conditions = [extra(frame, rng)]
    kept = frame[mask(conditions[0], frame)]
    if len(kept) < max(2, share * len(frame)):
        conditions, kept = [], frame
    column = rng.choice([name for name in NUMBERS if kept[f"candidate_{name}"].nunique() * share * 4 > 1])
    values = kept[f"candidate_{column}"].dropna().sort_values()
    width = min(1.0, share * len(frame) / max(1, len(values)))
    low = rng.random() * (1 - width)
    first, last = (values.iloc[int(part * (len(values) - 1))] for part in (low, low + width))
    if first == last or rng.random() < 0.5:
        return [*conditions, leaf(column, "between", (first, last))]
    return [*conditions, leaf(column, ">=", first), leaf(column, "<", last)]


def extra(frame, rng):
    """A condition of another kind."""
    classes = sorted(frame["cross_match_alerts_per_batch"].dropna().unique())
    some = rng.sample(classes, min(len(classes), rng.randint(2, 4)))
    kind = rng.randrange(6)
    if kind == 0:
        return leaf("/cross_match_alerts_per_batch", "in", some)
    if kind == 1:
        return ("not", leaf("/cross_match_alerts_per_batch", "=", some[0]))
    if kind == 2:
        return leaf("drb", "is not null")
    if kind == 3:
        return ("any", leaf("fid", "=", rng.randint(1, 2)), leaf("/cross_match_alerts_per_batch", "in", some))
    if kind == 4:
        return ("all", leaf("rb", ">", 0.3), ("any", leaf("isdiffpos", "=", "t"), leaf("magpsf", "<=", 19)))
    return ("any", leaf("/candid", "!=", int(frame["candid"].iloc[0])), leaf("drb", "is null"))


def keep(conditions, frame):
    """The identifiers of the alerts that pass all conditions."""
    kept = frame
    for condition in conditions:
        kept = kept[mask(condition, kept)]
    return set(kept["candid"])


def mask(condition, frame):
    """Which alerts a condition holds for; a comparison with null is false."""
    kind = condition[0]
    if kind == "not":
        return ~mask(condition[1], frame)
    if kind in ("any", "all"):
        masks = [mask(member, frame) for member in condition[1:]]
        result = masks[0]
        for other in masks[1:]:
            result = result | other if kind == "any" else result & other
        return result
    _, column, operator, value = condition
    cells = frame[column[1:] if column.startswith("/") else f"candidate_{column}"]
    known = cells.notna()
    if operator == "is null":
        return ~known
    if operator == "is not null":
        return known
    if cells.dtype == "float32":
        # Values are compared in the column's type.
        narrow = cells.dtype.type
        value = tuple(map(narrow, value)) if isinstance(value, tuple) else narrow(value)
    tests = {
        "=": lambda: cells == value,
        "!=": lambda: cells != value,
        "<": lambda: cells < value,
        "<=": lambda: cells <= value,
        ">": lambda: cells > value,
        ">=": lambda: cells >= value,
        "in": lambda: cells.isin(value),
        "between": lambda: (cells >= value[0]) & (cells <= value[1]),
    }
    return tests[operator]().fillna(False).astype(bool) & known


def xml(conditions, columns):
    """A rules file. `columns` are selected; those that conditions ask must be among them."""
    select = "".join(f"    {column_tag(column)}/>\n" for column in columns)
    asked = "".join(condition_xml(condition, 4) for condition in conditions)
    return (
        f"<distribution-rules>\n  <select>\n{select}  </select>\n"
        f"  <filter>\n{asked}  </filter>\n</distribution-rules>\n"
    )


def column_tag(column):
    if column.startswith("/") or column == "*":
        return f"<column name={quoteattr(column.lstrip('/'))}"
    return f'<column name="candidate" subcol={quoteattr(column)}'


def condition_xml(condition, indent):
    blank = " " * indent
    if condition[0] != "leaf":
        inner = "".join(condition_xml(member, indent + 2) for member in condition[1:])
        return f"{blank}<{condition[0]}>\n{inner}{blank}</{condition[0]}>\n"
    _, column, operator, value = condition
    attribute = "" if value is None else f" value={quoteattr(written(value))}"
    return f"{blank}{column_tag(column)} operator={quoteattr(operator)}{attribute}/>\n"


def written(value):
    if isinstance(value, tuple):
        return f"{written(value[0])} and {written(value[1])}"
    if isinstance(value, list):
        return ", ".join(written(item) for item in value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value.item() if hasattr(value, "item") else value)


def asked_columns(conditions):
    """The columns that conditions ask, in order, each once."""
    found = {}
    for condition in conditions:
        if condition[0] == "leaf":
            found[condition[1]] = None
        else:
            found.update(dict.fromkeys(asked_columns(condition[1:])))
    return list(found)
