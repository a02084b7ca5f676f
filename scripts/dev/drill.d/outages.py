"""Outages of servers while two services run, with the log of each. `scripts/dev/outages` starts this, and says what it does."""

import argparse
import os
import re
import signal
import sys
import time
from pathlib import Path

from service import STREAMS, Service, write_catalog

from comparison import compare
from hbase import HBase
from parts import Parts
from servers import Servers
from writer import Writer

SPLITS = ["ZTF4", "ZTF8", "ZTFc"]
FAULTS = {
    "gateways": ("thrift2-1", "thrift2-2"),
    "hbase": ("hbase",),
    "broker": ("kafka-2",),
    "brokers": ("kafka-1", "kafka-2", "kafka-3"),
}
# The services that a fault concerns; the others must not notice it.
CONCERNED = {"gateways": ("gateway",)}
# The lag after which a service has recovered, in seconds, and how long that may take after the servers have been started.
RECOVERED, RECOVERY = 3, 240
# Within so many seconds the log must have a line about an outage; a SIGSTOP takes the timeouts of two requests.
NOTICED = 25
# How much longer than the fault the service may say it was: until the servers are up, and its own backoff. And how much shorter: until it notices.
LONGER, SHORTER = 120, 20
END = 30
OVER = re.compile(r"(?:answers again|has answered|is back)(?: at \S+)?,? after ([0-9.]+) s")
FOREIGN = re.compile(r"thrd:|librdkafka|\bFAIL\b|rdkafka")


def parse():
    parser = argparse.ArgumentParser(prog="outages", add_help=False)
    for name in ("cluster", "folder", "fink"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--seconds", default="30,300")
    parser.add_argument("--only", default=",".join(f"{what}:{how}" for what in FAULTS for how in ("kill", "stop")))
    parser.add_argument("--without-end", action="store_true")
    options = parser.parse_args()
    options.seconds = [int(word) for word in options.seconds.split(",")]
    options.only = [tuple(word.split(":")) for word in options.only.split(",")]
    if wrong := [f"{what}:{how}" for what, how in options.only if what not in FAULTS or how not in ("kill", "stop")]:
        parser.error(f"--only: {', '.join(wrong)}")
    return options


class Watched:
    """A service, seen during one outage."""

    def __init__(self, service):
        self.service, self._at = service, len(service.words())
        # (seconds, line) of the log; (seconds, lag, code of /readyz, outages by server), once a second
        self.lines, self.looks = [], []

    def look(self, seconds):
        """Reads the log and the metrics; the lag, or None."""
        words = self.service.words()
        end = words.rfind("\n") + 1
        self.lines += [(seconds, line) for line in words[self._at : end].splitlines()]
        self._at = max(self._at, end)
        answer, (ready, reason) = self.service.metrics(), self.service.get("/readyz")
        found = answer[0] if answer else {}
        outages = {server: found.get(f"fink_outage_seconds{{server={server}}}", 0) for server in ("science_db", "kafka")}
        self.looks.append((seconds, found.get("fink_lag_seconds"), ready, reason.strip(), outages))
        return found.get("fink_lag_seconds"), ready, sum(outages.values())

    def report(self):
        """The log and the figures, as lines."""
        yield f"  {self.service.name} ({self.service.store})"
        yield from (f"    {seconds:6.1f} s  {line}" for seconds, line in self.lines)
        lags = [lag for _, lag, _, _, _ in self.looks if lag is not None]
        longest = {server: max(look[4][server] for look in self.looks) for server in ("science_db", "kafka")}
        yield (
            f"    lag in /metrics: up to {max(lags, default=float('nan')):.1f} s, in the end {lags[-1] if lags else float('nan'):.1f} s; fink_outage_seconds up to"
            f" {longest['science_db']:.0f} (science_db), {longest['kafka']:.0f} (kafka)"
        )
        changes, last = [], 200
        for seconds, _, ready, reason, _ in self.looks:
            if ready != last:
                changes.append(f"{ready} after {seconds:.0f} s{f' ({reason})' if ready != 200 else ''}")
                last = ready
        yield f"    /readyz: {', '.join(changes) or 'always 200'}"

    def faults(self, what, seconds):
        """What is wrong with the log, in words."""
        name, warnings = self.service.name, [(at, line) for at, line in self.lines if " WARN" in line or " ERROR" in line]
        if foreign := [line for _, line in self.lines if FOREIGN.search(line)]:
            yield f"{name}: librdkafka's words: {foreign[0]}"
        if self.service.code() is not None:
            yield f"{name}: ended with {self.service.code()}"
        if name.rsplit("_", 1)[-1] not in CONCERNED.get(what, (name.rsplit("_", 1)[-1],)):
            if warnings:
                yield f"{name}: a warning, although the fault does not concern it: {warnings[0][1]}"
            return
        if not warnings or warnings[0][0] > NOTICED:
            yield f"{name}: no warning within {NOTICED} s"
        over = [float(found.group(1)) for _, line in self.lines if (found := OVER.search(line))]
        if not over:
            yield f"{name}: nothing about the end of the outage"
        elif not seconds - SHORTER <= max(over) <= seconds + LONGER:
            yield f"{name}: the outage lasted {seconds} s, the log says {max(over):.1f} s"
        if what == "broker":
            # The others serve its partitions: one line is enough.
            return
        for minute in range(1, seconds // 60):
            if not any(60 * minute - 15 <= at <= 60 * minute + 75 for at, _ in warnings):
                yield f"{name}: no reminder in minute {minute + 1}"
        if seconds > 70 and not any(look[2] == 503 for look in self.looks):
            yield f"{name}: /readyz was never 503"
        lags = [lag for _, lag, _, _, _ in self.looks if lag is not None]
        if max(lags, default=0) < 0.5 * seconds:
            yield f"{name}: the lag has not grown: {max(lags, default=0):.1f} s"


class Outages:
    """One run."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.folder)
        self.servers = Servers(options.cluster)
        self.parts = Parts(options.cluster, self.servers)
        self.began, self.wrong = time.monotonic(), []
        self.name = f"fink_outages_{os.getpid()}"

    def run(self):
        """Everything; the exit code."""
        options, name = self.options, self.name
        (self.folder / "logs").mkdir(exist_ok=True)
        write_catalog(self.folder, name)
        log = self.folder / "logs" / "hbase-client.log"
        self.hbase = HBase(options.cluster, self.servers.env["FINK_TEST_HBASE_CLASSPATH"], name, log)
        self.hbase.ask("create", *SPLITS)
        stores = {"direct": "hbase", "gateway": "thrift2"}
        self.services = [Service(options.fink, self.folder, self.servers, f"{name}_{what}", store) for what, store in stores.items()]
        self.writer = Writer(self.hbase, options.rate, 300)
        self.writer.start()
        for seconds in options.seconds:
            for what, how in options.only:
                self.outage(what, how, seconds)
        if not options.without_end:
            self.stop_without_servers()
        self.writer.stop()
        self.settle()
        for service in self.services:
            code = service.stop(signal.SIGTERM, END)
            print(f"{service.name}: exit code {code} after SIGTERM")
            if code != 0:
                self.wrong.append(f"{service.name} ended with {code}")
        topics = [service.topic(stream) for service in self.services for stream in STREAMS]
        self.wrong += compare(self.hbase, self.writer, self.servers, topics)
        self.hbase.ask("drop")
        self.hbase.close()
        for topic in (name, *(f"fink_checkpoint_{service.name}" for service in self.services)):
            self.servers.delete_topics(topic)
        for words in self.wrong:
            print(f"WRONG: {words}")
        return 1 if self.wrong else 0

    def outage(self, what, how, seconds):
        """One fault and the return of the servers."""
        watched = [Watched(service) for service in self.services]
        print(f"\n== {what}: {how}, {seconds} s (at {time.monotonic() - self.began:.0f} s)", flush=True)
        began = time.monotonic()
        self.parts.break_all(FAULTS[what], how)
        broken = time.monotonic() - began
        while time.monotonic() - began < broken + seconds:
            self.look(watched, began)
        self.parts.mend_all(FAULTS[what], how)
        mended, calm = time.monotonic(), 0
        while calm < 3:
            if (what, how) == ("hbase", "stop"):
                self.parts.start_ended("hbase")
            calm = calm + 1 if self.look(watched, began) and self.parts.all_serve(FAULTS[what]) else 0
            if time.monotonic() - mended > RECOVERY:
                self.wrong.append(f"{what}: {how}: no recovery within {RECOVERY} s")
                break
        print(f"  the servers were started after {mended - began:.1f} s, all had recovered after {time.monotonic() - began:.1f} s")
        for one in watched:
            print("\n".join(one.report()), flush=True)
            self.wrong += [f"{what}: {how}, {seconds} s: {words}" for words in one.faults(what, seconds)]

    def look(self, watched, began):
        """One look at each service; whether all have recovered. Takes at least a second."""
        start, good = time.monotonic(), True
        for one in watched:
            lag, ready, outage = one.look(time.monotonic() - began)
            good = good and lag is not None and lag < RECOVERED and ready == 200 and outage == 0
        time.sleep(max(0, start + 1 - time.monotonic()))
        return good

    def stop_without_servers(self):
        """SIGTERM while no server is there; then everything is started again."""
        everything = [part for parts in FAULTS.values() for part in parts if part != "kafka-2"] + ["kafka-2"]
        everything = list(dict.fromkeys(everything))
        print("\n== SIGTERM while all servers are away", flush=True)
        self.parts.break_all(everything, "kill")
        time.sleep(10)
        for service in self.services:
            began = time.monotonic()
            code = service.stop(signal.SIGTERM, END)
            took = time.monotonic() - began
            print(f"  {service.name}: exit code {code} after {took:.1f} s; its last lines:")
            print("\n".join(f"    {line}" for line in service.words().splitlines()[-4:]))
            if code != 0 or took > 10:
                self.wrong.append(f"{service.name} ended with {code}, {took:.1f} s after SIGTERM")
        self.parts.mend_all(everything, "kill")
        for service in self.services:
            service.start()

    def settle(self):
        """Waits until both services have published everything, and the sweep and the repair have looked again."""
        end = time.monotonic() + RECOVERY
        watched = [Watched(service) for service in self.services]
        calm = 0
        while calm < 5 and time.monotonic() < end:
            calm = calm + 1 if self.look(watched, self.began) else 0
        # distribution.repair_every
        time.sleep(65)


if __name__ == "__main__":
    outages = Outages(parse())
    try:
        code = outages.run()
    finally:
        outages.parts.wake()
        for service in getattr(outages, "services", []):
            service.stop(signal.SIGKILL, 5)
    sys.stdout.flush()
    os._exit(code)
