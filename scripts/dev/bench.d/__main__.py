"""The measuring half of scripts/dev/bench, which says what the arguments are and prepares what they name."""

import argparse
import json
import os
import sys
from pathlib import Path

import report
from contestants import NAMES, Contestants
from workplace import Workplace


def parse():
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--alerts", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--history", choices=("text", "avro", "both"), default="both")
    parser.add_argument("--key", choices=("schema", "none"), default="schema")
    parser.add_argument("--store", choices=("hbase", "thrift2"), default="hbase")
    parser.add_argument("--only", default=",".join(name for name in NAMES if name != "spark"))
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--json", type=Path)
    for name in ("cluster", "folder", "fink", "librdkafka", "hbase", "kafka-tools", "spark-classes"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    options.alerts = options.alerts or (1_000 if options.quick else 10_000)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.only = options.only.split(",") + ["spark"] * options.spark
    options.histories = ("avro", "text") if options.history == "both" else (options.history,)
    if unknown := [name for name in options.only if name not in NAMES]:
        parser.error(f"--only: there is no contestant {unknown[0]!r}: {', '.join(NAMES)}")
    if options.alerts < 1 or options.rounds < 1:
        parser.error("--alerts and --rounds must be positive")
    return options


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


def order(only):
    """Python first in the warm-up: it finds out how large the messages are that the bare producers are to send."""
    return sorted(only, key=("python-1", "hbase", "kafka", "librdkafka", "python-2", "spark", "fink").index)


def main():
    options = parse()
    if options.check:
        return
    if options.json:
        # Better now than after the work.
        options.json.touch()
    written = []
    for history in options.histories:
        found, runs, sizes = measure(options, history)
        print(report.text(found, sizes, options, history), flush=True)
        written.append(report.as_json(found, runs, sizes, options, history))
    if options.json:
        options.json.write_text(json.dumps(written, indent=1))


def measure(options, history):
    """All contestants on a table of this layout: the medians, every run, and the messages' sizes."""
    place = Workplace(options, history, f"fink_bench_{os.getpid()}_{history}")
    contestants = Contestants(place)
    try:
        say(f"making {options.alerts} alerts, history as {history}")
        place.fill_table()
        for name in order({*options.only, "python-1"}):
            say(f"warm-up: {name}")
            contestants.run(name)
        runs = []
        for number in range(1, options.rounds + 1):
            for name in order(set(options.only)):
                for run in contestants.run(name):
                    say(f"round {number}: {run.contestant}: {run.rate:.0f} alerts/s")
                    runs.append(run)
    finally:
        contestants.stop()
        place.clean_up()
    return report.medians(runs), runs, contestants.sizes


main()
