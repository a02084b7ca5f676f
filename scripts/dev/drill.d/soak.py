"""A service at a steady rate for a long time. `scripts/dev/soak` starts this, and says what it does."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from service import START, STREAMS, EventReader, Service, write_catalog

from configuration import BRIGHT
from hbase import HBase
from measure import cpu_seconds
from follower import Follower, quantile
from rows import magpsf
from servers import Servers
from writer import Writer

SPLITS = [f"ZTF{number:x}" for number in range(4, 16, 4)]
# How long the last alerts may take, and the end of the process, in seconds.
SETTLED, END = 120, 60


def parse():
    parser = argparse.ArgumentParser(prog="soak", add_help=False)
    for name in ("cluster", "folder", "fink"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("rate", 300), ("seconds", 3600), ("bytes", 3000), ("scrape", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--without-metrics", action="store_true")
    return parser.parse_args()


def resources(pid):
    """Resident memory in MB, file descriptors and threads of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])


class Soak:
    """One run."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.folder)
        self.servers = Servers(options.cluster)
        self.name = f"fink_soak_{os.getpid()}"
        self.wrong, self.scrapes, self.unready, self.checked = [], 0, 0, 0

    def run(self):
        """Everything; the exit code."""
        options, name = self.options, self.name
        (self.folder / "logs").mkdir(exist_ok=True)
        write_catalog(self.folder, name)
        hbase = HBase(options.cluster, self.servers.env["FINK_TEST_HBASE_CLASSPATH"], name, self.folder / "logs" / "hbase-client.log")
        hbase.ask("create", *SPLITS)
        # The disk needs no more than some minutes of rows.
        hbase.ask("expire", 1800)
        self.service = Service(options.fink, self.folder, self.servers, name, "hbase", not options.without_metrics)
        topics = [self.service.topic(stream) for stream in STREAMS]
        follower = Follower(self.servers, topics, name)
        events = None if options.without_metrics else EventReader(self.service)
        writer = Writer(hbase, options.rate, options.bytes)
        print(f"{options.rate} alerts/s for {options.seconds} s; the service is process {self.service.pid}", flush=True)
        self.watch(writer, follower)
        writer.stop()
        self.compare(writer, follower, topics)
        if events is not None:
            print(f"events of the status page: {events.events} on one connection, the longest pause {events.longest:.1f} s")
            if events.failure:
                self.wrong.append(f"the status page: {events.failure}")
            promtool = f", {self.checked} times promtool check metrics" if self.checked else ""
            print(f"/metrics was read {self.scrapes} times and parsed by prometheus_client{promtool}; /readyz was not 200 {self.unready} times")
        code = self.service.stop(signal.SIGTERM, END)
        if code != 0:
            self.wrong.append(f"the service ended with {code}")
        warnings = [line for line in self.service.words().splitlines() if " WARN" in line or " ERROR" in line]
        print(f"exit code {code}; {len(warnings)} warnings and errors in the log")
        for line in [*warnings[:20], *self.wrong]:
            print(f"  {line}")
        follower.close()
        hbase.ask("drop")
        hbase.close()
        for topic in (name, f"fink_checkpoint_{name}"):
            self.servers.delete_topics(topic)
        return 1 if self.wrong else 0

    def watch(self, writer, follower):
        """Prints resources and latency at each twelfth of the time: every 5 minutes of an hour."""
        options, began, pid = self.options, time.monotonic(), self.service.pid
        before = cpu_seconds(pid)
        writer.start()
        marks = [options.seconds * part / 12 for part in range(1, 13)]
        print("  minute  alerts   RSS MB  fds  threads  CPU %  put -> consumer p50 s  p99 s   max s  load of the machine  alerts counted in /metrics", flush=True)
        since, used = began, before
        while marks:
            time.sleep(min(options.scrape, max(0, began + marks[0] - time.monotonic())))
            if self.service.code() is not None:
                raise SystemExit(f"{self.service.words()}\nthe service ended with {self.service.code()}")
            counted = "" if options.without_metrics else self.scrape()
            now = time.monotonic()
            if now < began + marks[0]:
                continue
            marks.pop(0)
            delays, (memory, files, threads), cpu = follower.take_delays(), resources(pid), cpu_seconds(pid)
            print(
                f"  {(now - began) / 60:6.1f}  {writer.acknowledged:7}  {memory:6.1f}  {files:3}  {threads:7}"
                f"  {100 * (cpu - used) / (now - since):5.1f}  {quantile(delays, 0.5) / 1000:21.2f}  {quantile(delays, 0.99) / 1000:5.2f}"
                f"  {max(delays, default=0) / 1000:6.2f}  {os.getloadavg()[0]:19.1f}  {counted}",
                flush=True,
            )
            since, used = now, cpu
        print(f"CPU of fink: {cpu_seconds(pid) - before:.2f} s in {time.monotonic() - began:.0f} s")

    def scrape(self):
        """Reads /metrics and /readyz once; how many alerts the metrics have counted."""
        answer = self.service.metrics()
        if answer is None:
            self.wrong.append("/metrics did not answer")
            return ""
        self.scrapes += 1
        self.unready += self.service.get("/readyz")[0] != 200
        found, text = answer
        promtool = os.environ.get("PROMTOOL")
        # Less often: a process each.
        if promtool and self.scrapes % 4 == 1:
            ended = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
            self.checked += 1
            if ended.returncode != 0:
                self.wrong.append(f"promtool check metrics: {ended.stdout}{ended.stderr}")
        return f"{found['fink_alerts_total']:.0f}"

    def compare(self, writer, follower, topics):
        """Waits for the last alerts; each must have come once on each topic that takes it."""
        every, bright = topics
        accepted = set(range(1, writer.sent + 1)) - writer.failed
        expected = {every: accepted, bright: {number for number in accepted if magpsf(number) < BRIGHT}}
        end = time.monotonic() + SETTLED
        while any(follower.count(topic) < len(expected[topic]) for topic in topics) and time.monotonic() < end:
            time.sleep(0.5)
        for topic in topics:
            seen = follower.seen[topic]
            lost = expected[topic] - seen.keys()
            twice = [number for number, count in seen.items() if count > 1]
            foreign = seen.keys() - expected[topic] - writer.failed
            words = f"{topic}: {len(expected[topic])} alerts expected, {len(seen)} received: lost {len(lost)}, twice {len(twice)}, others {len(foreign)}"
            print(words)
            if lost or twice or foreign:
                self.wrong.append(words)
        if writer.failed:
            self.wrong.append(f"HBase refused {len(writer.failed)} rows")


if __name__ == "__main__":
    code = Soak(parse()).run()
    sys.stdout.flush()
    os._exit(code)
