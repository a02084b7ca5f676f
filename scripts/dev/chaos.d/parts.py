"""The parts of the cluster: gateways, brokers and HBase's servers, killed, stopped and started again."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient

from hbase import RequestFailed

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
# How long a part may take until it serves again, in seconds.
READY = 300


class Parts:
    """The parts of the cluster in `folder`, whose `servers` are asked whether all is well again. `hbase`: where several region servers fail."""

    def __init__(self, folder, servers, hbase=None):
        self._folder, self._servers, self._hbase = Path(folder), servers, hbase
        # The master's address, then those of the region servers.
        self._hbase_ports = [int(address.rpartition(":")[2]) for address in servers.env["FINK_TEST_HBASE"].split(",")]
        # Region servers that ended by themselves.
        self.ended = []
        # librdkafka is silent: brokers that cannot be reached are what is wanted.
        self._admin = AdminClient({**servers.client("ADMIN"), "log_level": 0})
        self._stopped = set()

    def kill(self, part, down):
        """SIGKILL, and a start after `down` seconds. Returns when it serves again."""
        self._cluster("stop", part, "--kill")
        time.sleep(down)
        self._cluster("start", part, "--no-wait")
        self._wait(part)
        return True

    def region_servers(self):
        """How many there are."""
        return len(self._hbase_ports) - 1

    def region_server(self, which):
        """The part that has most of the table's regions (`busiest`), or hbase:meta (`meta`)."""
        (port,), _ = self._hbase.ask("where", which)
        return f"regionserver-{self._hbase_ports.index(int(port))}"

    def start_ended(self, kind="regionserver"):
        """As a supervisor would: a region server ends by itself when it was kept from its turn for longer than its session with ZooKeeper lasts."""
        for part in json.loads(self._cluster("status", "--format", "json", fails=True))["parts"]:
            if part["state"] == "died" and part["part"].startswith(kind):
                self.ended.append(part["part"])
                self._cluster("start", part["part"], "--no-wait")

    def wait_for_regions(self):
        """Until all regions are open, where servers of HBase failed."""
        if self.region_servers() > 1:
            self._wait("hbase-master")

    def pause(self, part, seconds):
        """SIGSTOP for so long. Returns when it serves again."""
        pid = self._pid(part)
        self._stopped.add(pid)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        self._stopped.discard(pid)
        self._wait(part)
        return True

    def break_all(self, parts, how):
        """SIGKILL ("kill") or SIGSTOP ("stop") for some parts."""
        for part in parts:
            if how == "kill":
                self._cluster("stop", part, "--kill")
            else:
                self._stopped.add(self._pid(part))
                os.kill(self._pid(part), signal.SIGSTOP)

    def mend_all(self, parts, how):
        """Starts them again, or has them go on; does not wait until they serve."""
        for part in parts:
            if how == "kill":
                self._cluster("start", part, "--no-wait")
            else:
                os.kill(self._pid(part), signal.SIGCONT)
                self._stopped.discard(self._pid(part))

    def all_serve(self, parts):
        """Whether all of them serve again."""
        return all(self._serves(part) for part in parts)

    def wake(self):
        """Nothing is left stopped, whatever happened."""
        for pid in list(self._stopped):
            os.kill(pid, signal.SIGCONT)

    def _cluster(self, *words, fails=False):
        """What `scripts/cluster` prints. `fails`: it may fail, as `status` does where a part has ended."""
        ended = subprocess.run([CLUSTER, *words, "--dir", self._folder], capture_output=True, text=True)
        if ended.returncode != 0 and not fails:
            raise RuntimeError(f"scripts/cluster {' '.join(words)}: {ended.stderr.strip()}")
        return ended.stdout

    def _pid(self, part):
        return int((self._folder / "run" / f"{part}.pid").read_text().split()[0])

    def _serves(self, part):
        # HBase has recovered when fink says so.
        if part == "hbase":
            return True
        kinds = {"kafka": self._replicas_are_in_sync, "thrift2": lambda: self._listens(part)}
        return kinds.get(part.partition("-")[0], self._all_regions_are_open)()

    def _wait(self, part):
        end = time.monotonic() + READY
        while not self._serves(part):
            if time.monotonic() > end:
                raise RuntimeError(f"{part} does not serve after {READY} s: see {self._folder}/logs/{part}.log")
            time.sleep(0.3)

    def _all_regions_are_open(self):
        """Else the next server's fault could find all regions at one server; and all servers are to have regions."""
        try:
            self.start_ended()
            if self._hbase.ask("settled", self.region_servers()) != (["true"], []):
                return False
            self._hbase.ask("balance")
        except RequestFailed:
            # The master starts.
            return False
        return True

    def _replicas_are_in_sync(self):
        """Else the next broker's fault could leave a partition without enough of them."""
        try:
            metadata = self._admin.list_topics(timeout=5)
        except Exception:
            # No broker answers yet.
            return False
        parts = [part for topic in metadata.topics.values() for part in topic.partitions.values()]
        brokers = int(self._servers.env["FINK_TEST_BROKERS"])
        return len(metadata.brokers) == brokers and all(len(part.isrs) == len(part.replicas) for part in parts)

    def _listens(self, part):
        addresses = self._servers.env["FINK_TEST_THRIFT2"].split(",")
        host, port = addresses[int(part.rpartition("-")[2]) - 1].rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 2).close()
        except OSError:
            return False
        return True
