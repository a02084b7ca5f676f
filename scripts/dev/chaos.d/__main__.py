"""Faults while fink distributes, and the proof that each alert went out once. `scripts/dev/chaos` starts this, and says what it does."""

import argparse
import os
import random
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench.d"))

import report
import schedule
import verify
from commits import Commits
from configuration import BESIDE, PARTITIONS, PLAIN, Configuration
from faults import Faults
from hbase import HBase
from parts import Parts
from processes import Keeper
from received import Reader
from rows import Record
from servers import Servers
from writers import Writers

# The table's regions in the beginning.
SPLITS = [f"ZTF{number:x}" for number in range(2, 16, 2)]
# Of all alerts, those that are there before.
PAST = 1 / 3
# How much longer than its faults the job takes.
JOB_LASTS = 1.2
# For how long nothing may come while alerts are missing, and how long an abandoned transaction may stay open, in seconds.
STALLED, OPEN = 120, 90


def parse():
    parser = argparse.ArgumentParser(prog="chaos", add_help=False)
    for name in ("cluster", "folder", "fink"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--alerts", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--store", choices=("hbase", "thrift2"), default="hbase")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--push", action="store_true")
    options = parser.parse_args()
    options.alerts = options.alerts or (4_000 if options.short else 50_000)
    options.kills = options.kills or (8 if options.short else 40)
    if options.seed is None:
        options.seed = random.randrange(1_000_000)
    return options


class Chaos:
    """One run, from an empty table to the comparison."""

    def __init__(self, options):
        self.options = options
        self.began = time.monotonic()
        self.folder = Path(options.folder)
        (self.folder / "logs").mkdir(exist_ok=True)
        self.scale = schedule.SHORT if options.short else schedule.FULL
        self.servers = Servers(options.cluster)
        name = f"fink_chaos_{os.getpid()}"
        self.configuration = Configuration(self.folder, self.servers, name, self.scale, options)
        self.hbase = HBase(
            options.cluster, self.servers.env["FINK_TEST_HBASE_CLASSPATH"], name, self.folder / "logs" / "hbase-client.log"
        )
        self.parts = Parts(options.cluster, self.servers, self.hbase)
        brokers = int(self.servers.env["FINK_TEST_BROKERS"])
        self.schedule = schedule.draw(options.seed, options.kills, brokers, self.parts.region_servers(), self.scale, options.short)
        if options.store == "hbase":
            # Nobody would notice.
            del self.schedule.lanes["gateways"]
        self.record = Record(self.folder / "puts.ndjson")
        self.writers = Writers(self.hbase, self.record, options.seed, options.alerts, self.scale.repair)
        self.keepers = {}

    def say(self, words):
        """On stderr, with the time since the beginning."""
        print(f"chaos: {time.monotonic() - self.began:6.1f} s  {words}", file=sys.stderr, flush=True)

    def run(self):
        """Everything; the exit code."""
        options = self.options
        flags = "".join(f" --{name}" for name in ("plain", "push", "short") if getattr(options, name))
        servers = f"{self.servers.env['FINK_TEST_BROKERS']} brokers, {self.parts.region_servers()} region servers"
        print(f"seed {options.seed} (--store {options.store} --alerts {options.alerts} --kills {options.kills}{flags}, {servers})", flush=True)
        self.hbase.ask("create", *SPLITS)
        past = round(options.alerts * PAST)
        if options.plain:
            self.servers.allow_reading_back(self.configuration.topic(PLAIN))
        # Longer than its faults, which cost it some of its work.
        self.configuration.write(JOB_LASTS * self.schedule.job_seconds / past)
        self.say(f"putting {past} alerts of the past")
        self.writers.put_past(past)
        if options.push:
            self.run_fink("hbase", "add-peer", "--yes")
        beside_from = int(time.time() * 1000)
        self.start_fink(beside_from)
        self.say(f"faults for about {self.schedule.seconds:.0f} s")
        self.writers.start(options.alerts - past, self.schedule.seconds)
        commits = Commits(self.servers, f"fink_checkpoint_{self.configuration.name}")
        faults = Faults(self.schedule, self.keepers, self.parts, self.hbase, commits, self.say)
        faults.start()
        faults.wait()
        self.writers.stop()
        self.record.close()
        self.say("the faults are over and all alerts are put")
        self.parts.wait_for_regions()
        newest = self.hbase.scan()
        streams = verify.streams(self.writers.past, beside_from, options.plain)
        topics = [self.configuration.topic(stream.name) for stream in streams]
        reader = Reader(self.servers, topics, PARTITIONS)
        self.settle(reader, streams, newest)
        self.end_fink()
        undecided = reader.undecided(OPEN)
        messages = reader.everything()
        reader.close()
        found = [
            verify.compare(stream, self.record.versions, newest, messages[topic], self.scale.repair)
            for stream, topic in zip(streams, topics)
        ]
        others = report.first(verify.lost_by_hbase(self.record.versions, newest)) + faults.failures
        others += [words for keeper in self.keepers.values() for words in keeper.surprises]
        others += [f"a transaction is still open in {partition}" for partition in undecided]
        return self.conclude(faults, newest, found, others)

    def run_fink(self, *words):
        """One command of fink, which has to succeed."""
        command = [self.options.fink, "-c", self.configuration.path("service"), *words]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"fink {' '.join(words)} ended with {ended.returncode}: {ended.stderr.strip()}")

    def start_fink(self, beside_from):
        """The service, a service of one stream and a bounded job."""
        fink, config = self.options.fink, self.configuration
        start = lambda what, *words: [fink, "-c", config.path(what), "start", "distribution", *words]
        job, beside = BESIDE
        begin, end = self.writers.past
        self.keepers["service"] = Keeper("service", self.folder, start("service", "--from", "earliest"))
        self.keepers["beside"] = Keeper("beside", self.folder, start("beside", "--stream", beside, "--from", str(beside_from)))
        window = ("--from", str(begin), "--until", str(end))
        self.keepers["job"] = Keeper("job", self.folder, start("beside", "--stream", job, *window), ends_by_itself=True)
        for keeper in self.keepers.values():
            keeper.start()

    def settle(self, reader, streams, newest):
        """Waits until all that is required has come and nothing more comes for as long as late rows may take."""
        missing = {}
        for stream in streams:
            wanted, _ = verify.required(stream, self.record.versions, newest, self.scale.repair)
            missing[self.configuration.topic(stream.name)] = set(wanted.items())
        began = last = time.monotonic()
        quiet = self.scale.repair_every + 2 * self.scale.overlap
        while time.monotonic() - last < STALLED:
            for topic, message in reader.follow():
                missing[topic].discard((message.alert["candid"], message.time))
                last = time.monotonic()
            left = sum(map(len, missing.values()))
            if not left and time.monotonic() - last > quiet and self.keepers["job"].done.is_set():
                self.say(f"settled after {last - began:.1f} s")
                return
        self.say(f"not settled: {left} alerts have not come, and none has for {STALLED} s")

    def end_fink(self):
        """Ends all processes in good order."""
        for keeper in self.keepers.values():
            keeper.end()
        if self.options.push:
            self.run_fink("hbase", "remove-peer", "--yes")

    def conclude(self, faults, newest, found, others):
        """Prints the report; the exit code."""
        kinds = Counter(version.kind for version in self.record.versions.values())
        print(report.totals(self.schedule, faults, self.keepers))
        if self.parts.ended:
            print(f"ended by themselves and started again: {', '.join(self.parts.ended)}")
        print(
            f"{len(self.record.versions)} alerts put in {len(newest)} rows:"
            f" {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}; {self.writers.failed} refused"
        )
        print(report.streams(found))
        lost, duplicated, unexpected = (sum(len(getattr(one, what)) for one in found) for what in ("lost", "duplicated", "unexpected"))
        print(f"seed {self.options.seed}: lost {lost}, duplicated {duplicated}, unexpected {unexpected}; {time.monotonic() - self.began:.0f} s")
        if wrong := report.faults_found(found, others):
            print(wrong)
            return 1
        return 0


def main():
    chaos = Chaos(parse())
    try:
        return chaos.run()
    except (Exception, SystemExit, KeyboardInterrupt):
        traceback.print_exc()
        return 1
    finally:
        chaos.parts.wake()
        for keeper in chaos.keepers.values():
            keeper.kill_all()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Lanes of faults may still wait for something after a failure.
    os._exit(code)
