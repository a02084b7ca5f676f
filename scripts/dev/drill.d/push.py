"""Faults of a service that HBase pushes to, and the latency after each. `scripts/dev/push-drill` starts this, and says what it does."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from service import STREAMS, Service, write_catalog

from comparison import compare
from follower import Follower, quantile
from hbase import HBase, RequestFailed
from servers import CLUSTER, Servers
from writer import Writer

SPLITS = [f"ZTF{number:x}" for number in range(4, 16, 4)]
# The service has recovered when every alert of so many seconds has come in time.
CALM = 5
# How long that may take after a fault, and how long the last alerts may take, in seconds.
RECOVERY, SETTLED = 240, 120
# The end of the process, in seconds.
END = 60
SHORT = {"watch": 10, "down": 3, "pause": 12, "without": 5}
FULL = {"watch": 70, "down": 10, "pause": 70, "without": 20}


def parse():
    parser = argparse.ArgumentParser(prog="push", add_help=False)
    for name in ("cluster", "folder", "fink"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--within", type=int, default=1)
    parser.add_argument("--serial", action="store_true")
    parser.add_argument("--short", action="store_true")
    return parser.parse_args()


class PushDrill:
    """One run."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.folder)
        self.times = SHORT if options.short else FULL
        self.servers = Servers(options.cluster)
        self.name, self.wrong = f"fink_pushdrill_{os.getpid()}", []
        self.service = None

    def run(self):
        """Everything; the exit code."""
        options, name = self.options, self.name
        (self.folder / "logs").mkdir(exist_ok=True)
        write_catalog(self.folder, name)
        log = self.folder / "logs" / "hbase-client.log"
        self.hbase = HBase(options.cluster, self.servers.env["FINK_TEST_HBASE_CLASSPATH"], name, log)
        self.hbase.ask("create", *SPLITS)
        push = f"""push = true
push_zookeeper = "{self.servers.env["FINK_TEST_ZOOKEEPER"]}"
push_root = "/{name}"
push_peer = "{name}"
push_listen = "127.0.0.1:0"
"""
        self.service = Service(options.fink, self.folder, self.servers, name, "hbase", more=push)
        self.add_peer()
        self.follower = Follower(self.servers, [self.service.topic(stream) for stream in STREAMS], name)
        self.writer = Writer(self.hbase, options.rate, 300)
        self.writer.start()
        for what, act in (
            ("the start", lambda: None),
            (f"the service killed, started after {self.times['down']} s", self.kill),
            (f"the service stopped for {self.times['pause']} s (SIGSTOP)", self.pause),
            (f"the peer removed, added after {self.times['without']} s", self.change_peer),
            ("all regions closed and opened", self.move_regions),
            ("HBase restarted", self.restart_hbase),
        ):
            self.fault(what, act)
        self.writer.stop()
        self.settle()
        code = self.service.stop(signal.SIGTERM, END)
        if code != 0:
            self.wrong.append(f"the service ended with {code} after SIGTERM")
        self.follower.close()
        self.wrong += compare(self.hbase, self.writer, self.servers, [self.service.topic(stream) for stream in STREAMS])
        self.service.run("hbase", "remove-peer", "--yes")
        self.hbase.ask("drop")
        self.hbase.close()
        for topic in (name, f"fink_checkpoint_{name}"):
            self.servers.delete_topics(topic)
        for words in self.wrong:
            print(f"WRONG: {words}")
        return 1 if self.wrong else 0

    def fault(self, what, act):
        """A fault, the recovery, and the latency of the time after it."""
        self.follower.take_delays()
        began = time.monotonic()
        act()
        over, calm, longest = time.monotonic(), 0, 0
        while calm < CALM:
            time.sleep(1)
            delays = self.follower.take_delays()
            longest = max([longest, *delays])
            calm = calm + 1 if delays and max(delays) < 1000 * self.options.within else 0
            if time.monotonic() - over > RECOVERY:
                self.wrong.append(f"{what}: no recovery within {RECOVERY} s")
                break
        recovered = time.monotonic() - over - CALM
        before = self.pushed()
        time.sleep(self.times["watch"])
        delays, pushed = self.follower.take_delays(), self.pushed() - before
        print(
            f"{what}: took {over - began:.1f} s, recovered {max(0, recovered):.0f} s later; longest latency {longest / 1000:.1f} s; in the {self.times['watch']} s"
            f" afterwards {len(delays)} alerts, {pushed:.0f} pushed: p50 {quantile(delays, 0.5):.0f} ms, p99 {quantile(delays, 0.99):.0f} ms,"
            f" max {quantile(delays, 1):.0f} ms",
            flush=True,
        )
        if delays and pushed < 0.5 * len(delays):
            self.wrong.append(f"{what}: HBase has pushed {pushed:.0f} of {len(delays)} alerts afterwards")

    def pushed(self):
        """How many rows HBase has pushed before a scan found them."""
        answer = self.service.metrics()
        return answer[0].get("fink_rows_pushed_total", 0) if answer else 0

    def add_peer(self):
        arguments = ("--serial",) if self.options.serial else ()
        added = self.service.run("hbase", "add-peer", "--yes", *arguments)
        if added.returncode != 0:
            raise SystemExit(f"add-peer: {added.stderr}")

    def kill(self):
        self.service.stop(signal.SIGKILL, END)
        time.sleep(self.times["down"])
        self.service.start()

    def pause(self):
        os.kill(self.service.pid, signal.SIGSTOP)
        time.sleep(self.times["pause"])
        os.kill(self.service.pid, signal.SIGCONT)

    def change_peer(self):
        removed = self.service.run("hbase", "remove-peer", "--yes")
        if removed.returncode != 0:
            raise SystemExit(f"remove-peer: {removed.stderr}")
        time.sleep(self.times["without"])
        self.add_peer()

    def move_regions(self):
        for number in range(len(SPLITS) + 1):
            try:
                self.hbase.ask("reassign", (number + 0.5) / (len(SPLITS) + 1), 500)
            except RequestFailed as refused:
                self.wrong.append(f"a region was not moved: {refused}")

    def restart_hbase(self):
        for words in (("stop", "hbase"), ("start", "hbase", "--no-wait")):
            ended = subprocess.run([CLUSTER, *words, "--dir", self.options.cluster], capture_output=True, text=True)
            if ended.returncode != 0:
                raise SystemExit(f"scripts/cluster {' '.join(words)}: {ended.stderr}")

    def settle(self):
        """Waits until everything that was acknowledged has come, and whatever may come twice has had time to."""
        end = time.monotonic() + SETTLED
        while self.follower.count(self.service.topic(STREAMS[0])) < self.writer.acknowledged and time.monotonic() < end:
            time.sleep(1)
        # A sweep and a repair.
        time.sleep(5 if self.options.short else 65)


if __name__ == "__main__":
    drill = PushDrill(parse())
    try:
        code = drill.run()
    finally:
        if drill.service is not None and drill.service.code() is None:
            drill.service.stop(signal.SIGCONT, 0)
            drill.service.stop(signal.SIGKILL, 5)
    sys.stdout.flush()
    os._exit(code)
