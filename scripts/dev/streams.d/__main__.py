"""Many streams beside one: what each topic received, how long it took, how much memory. `scripts/dev/streams` starts this."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench.d"))

import alerts
import filter_sets
import measure
import received
import rule_sets
from servers import Servers

SEED = 11
WRITTEN = "2026-01-01T00:00:00Z"
# Two jobs over all alerts: the second one finds topics that have been written to.
UNTIL = ("2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z")
FILTERS = "streams_filters"
FEW = ["/objectId", "/candid", "jd", "ra", "dec", "magpsf", "sigmapsf", "fid"]


class Mixture:
    """So many streams with rules, and so many with a Python filter each: `50`, or `30+20`."""

    def __init__(self, text):
        self.text = text
        rules, _, filters = text.partition("+")
        self.rules, self.filters = int(rules), int(filters or 0)
        self.count = self.rules + self.filters


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("--cluster", "--folder", "--fink"):
        parser.add_argument(name, required=True)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--streams", default="1,50,30+20,250", type=lambda text: [Mixture(part) for part in text.split(",")])
    parser.add_argument("--kept", type=float, default=1)
    parser.add_argument("--columns", choices=["all", "few"], default="all")
    parser.add_argument("--store", choices=["embedded", "hbase"], default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-check", dest="check", action="store_false")
    return parser.parse_args()


class Runs:
    """The table, the configurations and the runs of fink."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(options.folder)
        self.servers = Servers(options.cluster)
        self.name = f"fink_streams_{os.getpid()}"
        self.count = 0

    def fink(self, config, *words):
        subprocess.run([self.options.fink, "-q", "-c", config, *words], check=True, stdout=subprocess.DEVNULL)

    def load(self):
        """Makes the alerts, as files and as rows."""
        config = self.config("load", [("full", "")])
        what = ["--survey", "ztf", "--alerts", str(self.options.alerts), "--seed", "1", "--cross-match"]
        self.fink(config, "simulate", *what, "--out", str(self.folder / "alerts"))
        self.fink(config, "simulate", *what, "--into-db", "--history", "avro", "--timestamp", WRITTEN)

    def config(self, name, streams):
        """A configuration of these streams: names and the lines that select."""
        path, folder = self.folder / f"{name}.toml", self.folder
        stores = {
            "embedded": f'kind = "embedded"\npath = "{folder / "science.db"}"',
            "hbase": f'kind = "hbase"\naddress = "{self.servers.env["FINK_TEST_HBASE"]}"\ntable = "{self.name}"',
        }
        blocks = ""
        for stream, selection in streams:
            blocks += f'[[stream]]\nname = "{stream}"\ntopic = "{name}_{stream}"\npartitions = 1\n{selection}'
        path.write_text(
            f"""
[science_db]
{stores[self.options.store]}
catalog = "{folder / "catalog.json"}"
{self.servers.kafka_section()}[distribution]
name = "{name}"
status = false
rejected_topic = "{name}_rejected"
[filters]
python = "{sys.executable}"
path = ["{folder}"]
{blocks}"""
        )
        return str(path)

    def topics(self, streams):
        """New topics for these streams: their prefix, the configuration, and the seconds until they were there."""
        self.count += 1
        name = f"{self.name}_{self.count}"
        config = self.config(name, streams)
        began = time.perf_counter()
        # A job over nothing makes the topics.
        self.fink(config, "start", "distribution", "--until", "1")
        return name, config, time.perf_counter() - began

    def send(self, config, until):
        """Sends everything: what it took."""
        command = [self.options.fink, "-c", config, "start", "distribution", "--until", until, "--yes"]
        return measure.run(command, {}, self.folder / "log")

    def streams_of(self, mixture, frame):
        """Streams with the lines that select, and the alerts that each should send."""
        if mixture.count == 1:
            return [("full", "")], {"full": set(frame["candid"])}
        options = self.options
        kept = options.kept / mixture.count
        streams, wanted = [], {}
        for number, rules in enumerate(rule_sets.rule_set(frame, mixture.rules, kept * mixture.rules, SEED)):
            few = dict.fromkeys([*FEW, *rule_sets.asked_columns(rules)])
            columns = ["*"] if options.columns == "all" else list(few)
            file = self.folder / f"s{number}.xml"
            file.write_text(rule_sets.xml(rules, columns))
            streams.append((f"s{number}", f'rules = "{file}"\n'))
            wanted[f"s{number}"] = rule_sets.keep(rules, frame)
        if mixture.filters:
            module = self.folder / f"{FILTERS}.py"
            module.write_text(filter_sets.module(frame, mixture.filters, kept * mixture.filters, SEED))
            for name, identifiers in filter_sets.keep(module, frame).items():
                streams.append((name, f'filters = ["{FILTERS}:{name}"]\n'))
                wanted[name] = identifiers
        return streams, wanted

    def differences(self, name, wanted):
        """How many topics received something else than they should have, each reported on stderr."""
        found_in = received.identifiers(self.servers, [f"{name}_{stream}" for stream in wanted])
        faults = 0
        for stream, alerts_wanted in wanted.items():
            found = found_in[f"{name}_{stream}"]
            missing, strange = alerts_wanted - set(found), set(found) - alerts_wanted
            twice = len(found) - len(set(found))
            if missing or strange or twice:
                faults += 1
                print(f"stream {stream}: {len(missing)} missing, {len(strange)} strange, {twice} twice", file=sys.stderr)
        return faults


def main():
    options = arguments()
    runs = Runs(options)
    runs.load()
    frame = alerts.frame(runs.folder / "alerts")
    faults, one = 0, None
    print("streams  seconds  of the first  cpu seconds  memory  on new topics  until ready  messages  as pandas says")
    for mixture in options.streams:
        streams, wanted = runs.streams_of(mixture, frame)
        rounds, verdict = [], "not asked"
        for number in range(options.rounds):
            name, config, ready = runs.topics(streams)
            on_new = runs.send(config, UNTIL[0])
            if options.check and number == 0:
                wrong = runs.differences(name, wanted)
                faults += wrong
                verdict = f"{mixture.count - wrong} of {mixture.count} topics"
            rounds.append((runs.send(config, UNTIL[1]), on_new.seconds, ready))
            runs.servers.delete_topics(name)
            runs.servers.delete_topics(f"fink_checkpoint_{name}")
        usage, on_new, ready = min(rounds, key=lambda one: one[0].seconds)
        one = one or usage.seconds
        print(
            f"{mixture.text:>7}  {usage.seconds:7.2f}  {usage.seconds / one:12.2f}  {usage.cpu_seconds:11.2f}"
            f"  {usage.peak_kb / 1024:3.0f} MB  {on_new:11.2f} s  {ready:9.1f} s  {sum(map(len, wanted.values())):8}  {verdict}",
            flush=True,
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
