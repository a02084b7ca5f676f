"""See scripts/dev/bench-ingest, which calls this with the program, the cluster's folder, alerts, rounds and the large archive's members."""

import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).resolve().parent / "bench.d"))

import measure
from distribution import Distribution
from measure_freshness import wait_until_idle

ALERT_BYTES = 46_000
# Alerts that make the table, beside those that are loaded.
SAMPLE = 256


def simulate(alerts, first=SAMPLE):
    return ("simulate", "--survey", "ztf", "--seed", 1, "--bytes", ALERT_BYTES, "--first", first, "--alerts", alerts)


def pack(paths, archive, members):
    """An archive of so many members: the files in turn."""
    # As fast as Python can; how much it is compressed makes little difference to the reader.
    options = {"compresslevel": 1} if archive.suffix == ".gz" else {}
    with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w", **options) as tar:
        for number in range(members):
            tar.add(paths[number % len(paths)], arcname=f"{number:08}.avro")


def load(fink, cluster, folder, words, alerts):
    """Runs a command of fink that loads alerts, into a table that exists; what it took."""
    place = folder / "run"
    place.mkdir()
    distribution = Distribution(fink, cluster, place, f"fink_ingest_{os.getpid()}")
    pids = distribution.servers.processes()
    try:
        distribution.run(*simulate(SAMPLE, first=0), "--into-db")
        wait_until_idle(pids["hbase"], longest=120)
        command = distribution.command(*words, "--format", "json")
        usage = measure.run(command, {"hbase": pids["hbase"]}, folder / "ingest.log")
    finally:
        distribution.clean_up()
        shutil.rmtree(place)
    said = json.loads(usage.output)
    loaded = (said[0] if isinstance(said, list) else said)["alerts"]
    if loaded != alerts:
        raise SystemExit(f"{loaded} of {alerts} alerts were loaded")
    return usage


def main():
    fink, cluster = sys.argv[1:3]
    alerts, rounds, large = map(int, sys.argv[3:6])
    with tempfile.TemporaryDirectory(prefix="fink-ingest-") as folder:
        folder = Path(folder)
        Distribution(fink, cluster, folder, "unused").run(*simulate(alerts), "--out", folder / "alerts")
        paths = sorted((folder / "alerts").glob("*.avro"))
        ways = {"memory": (*simulate(alerts), "--into-db")}
        for suffix in ("tar", "tar.gz"):
            archive = folder / f"night.{suffix}"
            pack(paths, archive, alerts)
            ways[f".{suffix}"] = ("ingest", archive)
        runs = {way: [] for way in ways}
        for _ in range(rounds):
            for way, words in ways.items():
                runs[way].append(load(fink, cluster, folder, words, alerts))
        print(f"{alerts} ZTF alerts of {ALERT_BYTES} B into HBase; {measure.CORES} cores shared with it; medians of {rounds}.")
        print(f"{'from':<10}  {'alerts/s':>8}  {'of memory':>9}  {'CPU-ms fink':>11}  {'CPU-ms HBase':>12}  {'idle':>5}  {'others':>6}  {'peak MB':>7}")
        fastest = median(usage.seconds for usage in runs["memory"])
        for way, usages in runs.items():
            print(line(way, alerts, usages, fastest))
        for way in (".tar", ".tar.gz"):
            (folder / f"night{way}").unlink()
        if large:
            archive = folder / "large.tar.gz"
            pack(paths, archive, large)
            shutil.rmtree(folder / "alerts")
            usage = load(fink, cluster, folder, ("ingest", archive), large)
            print(line(f"{large} members", large, [usage], fastest * large / alerts))


def line(way, alerts, usages, fastest):
    def middle(value):
        return median(value(usage) for usage in usages)

    seconds = middle(lambda usage: usage.seconds)
    own, hbase = middle(lambda usage: usage.cpu_seconds), middle(lambda usage: usage.servers["hbase"])
    others = middle(lambda usage: usage.others / (measure.CORES * usage.seconds))
    idle = max(0.0, 1 - others - (own + hbase) / (measure.CORES * seconds))
    return (
        f"{way:<10}  {alerts / seconds:>8.0f}  {fastest / seconds:>9.0%}  {1000 * own / alerts:>11.3f}  {1000 * hbase / alerts:>12.3f}"
        f"  {idle:>5.0%}  {others:>6.0%}  {middle(lambda usage: usage.peak_kb / 1024):>7.0f}"
    )


if __name__ == "__main__":
    main()
