"""See scripts/dev/look-cost, which calls this with the program, the cluster's folder, the numbers of rows, the seconds
and what is flushed."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "bench.d"))

from distribution import Distribution
from measure import cpu_seconds
from measure_freshness import wait_until_idle

# Looks each second: many, so that few seconds give a firm mean.
POLL_MS = 100
# The cell beside the trigger's, bytes.
OTHER = 200
# After so many rows of 46 kB the memstore of a region has its 128 MB.
ROWS_A_FLUSH = 2_800
# Alerts each second while something is written.
RATE = 10
SIMULATE = ("simulate", "--survey", "ztf", "--seed", 1, "--into-db")


class Looks:
    """Measures the scans of trigger cells of a running service."""

    def __init__(self, distribution):
        self._distribution = distribution
        self._hbase = distribution.servers.processes()["hbase"]
        self._idle = 0.0

    def _state(self):
        metrics = self._distribution.metrics()
        sample = lambda what: float(metrics[f'fink_scan_duration_seconds_{what}{{request="scan_triggers"}}'])
        return sample("count"), sample("sum"), cpu_seconds(self._hbase)

    def wait_until_idle(self):
        wait_until_idle(self._hbase, longest=60)

    def without(self, seconds):
        """The region server's CPU where nobody looks, which is then left out."""
        before = cpu_seconds(self._hbase)
        time.sleep(seconds)
        self._idle = (cpu_seconds(self._hbase) - before) / seconds

    def measure(self, work):
        """While `work` is done: (scans, ms a scan, CPU-ms of the region server a scan)."""
        start, before = time.time(), self._state()
        work()
        scans, seconds, cpu = (now - then for now, then in zip(self._state(), before))
        return scans, 1000 * seconds / scans, 1000 * (cpu - self._idle * (time.time() - start)) / scans


def main():
    fink, cluster = sys.argv[1:3]
    sizes, seconds = [int(size) for size in sys.argv[3].split(",")], int(sys.argv[4])
    with tempfile.TemporaryDirectory(prefix="fink-look-cost-") as folder:
        name = f"fink_look_cost_{os.getpid()}"
        distribution = Distribution(fink, cluster, folder, name, distribution=f'poll = "{POLL_MS}ms"')
        try:
            older = int(time.time() * 1000) - 7_200_000
            distribution.run(*SIMULATE, "--alerts", 256, "--timestamp", older)
            looks = Looks(distribution)
            looks.wait_until_idle()
            looks.without(min(seconds, 15))
            distribution.start()
            catalog = json.loads(distribution.catalog.read_text())["columns"]
            trigger = catalog["candid"]
            columns = f"{trigger['cf']}:{trigger['col']}", f"i:{catalog['candidate_jd']['col']}"
            print(f"{'older rows':>12}  {'files':>6}  {'memstore MB':>12}  {'nothing written':>24}  {f'{RATE} alerts/s written':>24}")
            print(f"{'':>12}  {'':>6}  {'':>12}  {'ms a scan':>11}  {'CPU-ms HBase':>11}  {'ms a scan':>11}  {'CPU-ms HBase':>11}")
            there, first = 0, 256
            for size in sizes:
                until = int(time.time() * 1000) - 3_600_000
                distribution.table("fill", there, size - there, OTHER, *columns, older, until, sys.argv[5], ROWS_A_FLUSH)
                there = size
                looks.wait_until_idle()
                _, quiet_ms, quiet_cpu = looks.measure(lambda: time.sleep(seconds))
                words = (*SIMULATE, "--first", first, "--alerts", RATE * seconds, "--rate", RATE)
                _, busy_ms, busy_cpu = looks.measure(lambda words=words: distribution.run(*words))
                first += RATE * seconds
                files = json.loads(distribution.table("files"))
                line = f"{size:>12}  {files['files']:>6}  {files['memstore_mb']:>12}"
                line += "".join(f"  {value:>11.2f}" for value in (quiet_ms, quiet_cpu, busy_ms, busy_cpu))
                print(line, flush=True)
            print(f"fink ended with {distribution.stop()}")
        finally:
            distribution.clean_up()


if __name__ == "__main__":
    main()
