"""Checks metrics with the parser of Prometheus' own client library: metrics.py FILE… reads them from stdin, and prints the samples as JSON.

Every metric that a FILE mentions must be among them; what a table of docs/operate.md lists, and nothing else, must be.
"""

import json
import pathlib
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"\b(?:fink|process)_[a-z_]+\b")
# Present while the history lane is at work.
SOMETIMES = {"fink_history_progress_ratio"}
UNITS = ("_seconds", "_bytes", "_ratio")


def check_histogram(family):
    """Buckets are cumulative, and the last one holds all."""
    series = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        one = series.setdefault(json.dumps(labels, sort_keys=True), {"buckets": []})
        if sample.name.endswith("_bucket"):
            one["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            one[sample.name.removeprefix(family.name)] = sample.value
    for labels, one in series.items():
        bounds, counts = zip(*one["buckets"])
        assert list(bounds) == sorted(bounds) and bounds[-1] == float("inf"), (family.name, labels, bounds)
        assert list(counts) == sorted(counts) and counts[-1] == one["_count"], (family.name, labels, counts)
        assert (one["_sum"] > 0) == (one["_count"] > 0), (family.name, labels, one)


def main(files):
    text = sys.stdin.read()
    families = list(text_string_to_metric_families(text))
    samples = {}
    for family in families:
        assert family.documentation.endswith((".", "1.")), family
        assert family.type in ("counter", "gauge", "histogram"), family
        if family.type == "histogram":
            check_histogram(family)
        if any(unit in family.name for unit in ("second", "byte", "ratio")) and not family.name.endswith("_per_second"):
            assert family.name.endswith(UNITS), family.name
        for sample in family.samples:
            assert family.type != "counter" or sample.name.endswith("_total"), sample
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"twice: {key}"
            samples[key] = sample.value
    assert len({family.name for family in families}) == len(families) == text.count("# TYPE ") == text.count("# HELP ")
    names = {name for name, _ in samples} | SOMETIMES
    listed = {name for family in families for name in (family.name, family.name + "_total") if f"# TYPE {name} " in text}
    for file in map(pathlib.Path, files):
        mentioned = set(NAME.findall(file.read_text()))
        if file.suffix == ".md":
            rows = [line for line in file.read_text().splitlines() if line.startswith(("| `fink_", "| `process_"))]
            mentioned = {name for row in rows for name in NAME.findall(row.split("|")[1])}
            assert listed <= mentioned, f"{file} does not list {listed - mentioned}"
        assert mentioned and mentioned <= names | listed, f"{file} mentions {mentioned - names - listed}"
    json.dump([[name, dict(labels), value] for (name, labels), value in samples.items()], sys.stdout)


main(sys.argv[1:])
