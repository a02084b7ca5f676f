"""Many streams beside one: what each topic received, how long it took, how much memory. `scripts/streams` starts this."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench.d"))

import alerts
import measure
import rule_sets
from received import Topics

SEED = 11
WRITTEN, UNTIL = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
FEW = ["/objectId", "/candid", "jd", "ra", "dec", "magpsf", "sigmapsf", "fid"]


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("--cluster", "--folder", "--fink"):
        parser.add_argument(name, required=True)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--streams", default="1,50,250", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--kept", type=float, default=1)
    parser.add_argument("--columns", choices=["all", "few"], default="all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-check", dest="check", action="store_false")
    return parser.parse_args()


class Runs:
    """The table, the configurations and the runs of fink."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(options.folder)
        lines = (Path(options.cluster) / "cluster.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines if line)
        self.name = f"fink_streams_{os.getpid()}"
        self.count = 0

    def fink(self, config, *words):
        subprocess.run([self.options.fink, "-q", "-c", config, *words], check=True, stdout=subprocess.DEVNULL)

    def load(self):
        """Makes the alerts, as files and as rows."""
        config = self.config("load", [("full", None)])
        what = ["--survey", "ztf", "--alerts", str(self.options.alerts), "--seed", "1", "--cross-match"]
        self.fink(config, "simulate", *what, "--out", str(self.folder / "alerts"))
        self.fink(config, "simulate", *what, "--into-db", "--history", "avro", "--timestamp", WRITTEN)

    def config(self, name, streams):
        """A configuration of these streams: names and rules, `None` for all alerts."""
        path = self.folder / f"{name}.toml"
        env, folder = self.env, self.folder
        blocks = ""
        for stream, rules in streams:
            blocks += f'[[stream]]\nname = "{stream}"\ntopic = "{name}_{stream}"\npartitions = 1\n'
            if rules is not None:
                file = folder / f"{name}_{stream}.xml"
                file.write_text(rules)
                blocks += f'rules = "{file}"\n'
        path.write_text(
            f"""
[science_db]
kind = "embedded"
path = "{folder / "science.db"}"
catalog = "{folder / "catalog.json"}"
[kafka]
bootstrap_servers = "{env["FINK_TEST_BOOTSTRAP"]}"
security_protocol = "{env["FINK_TEST_SECURITY_PROTOCOL"]}"
sasl_mechanism = "{env["FINK_TEST_SASL_MECHANISM"]}"
username = "{env["FINK_TEST_PRODUCER_USER"]}"
password_file = "{env["FINK_TEST_PRODUCER_PASSWORD_FILE"]}"
[distribution]
name = "{name}"
status = false
rejected_topic = "{name}_rejected"
{blocks}"""
        )
        return str(path)

    def run(self, streams):
        """Sends everything on these streams: the topics' prefix, the seconds until they were there, and what the run itself took."""
        self.count += 1
        name = f"{self.name}_{self.count}"
        config = self.config(name, streams)
        began = time.perf_counter()
        # A job over nothing makes the topics.
        self.fink(config, "start", "distribution", "--until", "1")
        ready = time.perf_counter() - began
        command = [self.options.fink, "-c", config, "start", "distribution", "--until", UNTIL]
        return name, ready, measure.run(command, {}, self.folder / "log")


def streams_of(count, frame, options):
    """Streams and their rules, and the alerts that each should send."""
    if count == 1:
        return [("full", None)], {"full": set(frame["candid"])}
    streams, wanted = [], {}
    for number, rules in enumerate(rule_sets.rule_set(frame, count, options.kept, SEED)):
        few = dict.fromkeys([*FEW, *rule_sets.asked_columns(rules)])
        columns = ["*"] if options.columns == "all" else list(few)
        streams.append((f"s{number}", rule_sets.xml(rules, columns)))
        wanted[f"s{number}"] = rule_sets.keep(rules, frame)
    return streams, wanted


def differences(topics, name, wanted):
    """How many topics received something else than they should have, each told on stderr."""
    received = topics.received([f"{name}_{stream}" for stream in wanted])
    faults = 0
    for stream, alerts_wanted in wanted.items():
        found = received[f"{name}_{stream}"]
        missing, strange = alerts_wanted - set(found), set(found) - alerts_wanted
        twice = len(found) - len(set(found))
        if missing or strange or twice:
            faults += 1
            print(f"stream {stream}: {len(missing)} missing, {len(strange)} strange, {twice} twice", file=sys.stderr)
    return faults


def main():
    options = arguments()
    runs = Runs(options)
    topics = Topics(runs.env)
    runs.load()
    frame = alerts.frame(runs.folder / "alerts")
    faults, one = 0, None
    print("streams  seconds  of the first  cpu seconds  memory  until ready  messages  as pandas says")
    for count in options.streams:
        streams, wanted = streams_of(count, frame, options)
        best, verdict = None, "not asked"
        for number in range(options.rounds):
            name, ready, usage = runs.run(streams)
            if best is None or usage.seconds < best[1].seconds:
                best = (ready, usage)
            if options.check and number == 0:
                wrong = differences(topics, name, wanted)
                faults += wrong
                verdict = f"{count - wrong} of {count} topics"
            topics.delete_all(name)
            topics.delete_all(f"fink_checkpoint_{name}")
        ready, usage = best
        one = one or usage.seconds
        print(
            f"{count:7}  {usage.seconds:7.2f}  {usage.seconds / one:12.2f}  {usage.cpu_seconds:11.2f}"
            f"  {usage.peak_kb / 1024:3.0f} MB  {ready:9.1f} s  {sum(map(len, wanted.values())):8}  {verdict}",
            flush=True,
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
