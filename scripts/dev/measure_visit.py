"""See scripts/dev/visit, which calls this with the program, the cluster's folder, alerts, bytes, visits and the messages' key."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fastavro
from confluent_kafka import Consumer

sys.path.append(str(Path(__file__).resolve().parent / "bench.d"))

from distribution import Distribution
from measure import cpu_seconds
from measure_freshness import wait_until_idle

# Files of a visit: as many as `fink ingest` can read at a time.
FILES = 4
STAMPS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")
PATIENCE = 120


def write_alerts(distribution, folder, first, count, size):
    """Simulated alerts with smaller stamps, in a few files."""
    simulated = folder / "simulated"
    words = ("simulate", "--survey", "lsst", "--seed", 1, "--first", first, "--alerts", count, "--out", simulated)
    distribution.run(*words)
    paths = sorted(simulated.glob("*.avro"))
    files = []
    for number in range(FILES):
        alerts, schema = [], None
        for path in paths[number::FILES]:
            with open(path, "rb") as file:
                reader = fastavro.reader(file)
                schema = reader.writer_schema
                alert = next(reader)
            stamps = [stamp for stamp in STAMPS if alert[stamp] is not None]
            cut = max(0, path.stat().st_size - HEADER - size)
            for stamp in stamps:
                alert[stamp] = alert[stamp][: max(1, len(alert[stamp]) - cut // len(stamps))]
            alerts.append(alert)
            path.unlink()
        files.append(folder / f"visit-{number}.avro")
        with open(files[-1], "wb") as file:
            fastavro.writer(file, schema, alerts, sync_interval=1 << 20)
    return files


# Of the simulated files: the schema, which is not part of the alert.
HEADER = 18_600


def consume(settings, topic, expected, ready, results):
    """Reads until `expected` different alerts are there: (sum of bytes, messages, [(put, seen)] in ms)."""
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    times, keys, size, messages, last = [], set(), 0, 0, time.monotonic()
    while len(keys) < expected and time.monotonic() - last < PATIENCE:
        for message in consumer.consume(500, 0.05):
            if message.error() is not None:
                continue
            last = time.monotonic()
            headers = dict(message.headers())
            messages += 1
            keys.add(headers["fink-alert"])
            size += len(message.value())
            times.append((int(headers["fink-timestamp"]), time.time() * 1000))
        if consumer.assignment():
            ready.set()
    consumer.close()
    results.put((size, messages, len(keys), times))


def visit(distribution, folder, number, alerts, size):
    """One visit; whether all alerts arrived."""
    files = write_alerts(distribution, folder, 1_000_000 + number * alerts, alerts, size)
    pids = distribution.servers.processes()
    wait_until_idle(pids["hbase"], longest=120)
    settings = {
        **distribution.servers.client("CONSUMER"),
        "group.id": f"{distribution.name}_{number}",
        "auto.offset.reset": "latest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 50,
    }
    context = multiprocessing.get_context("fork")
    ready, results = context.Event(), context.SimpleQueue()
    consumer = context.Process(target=consume, args=(settings, distribution.name, alerts, ready, results))
    consumer.start()
    ready.wait(60)
    time.sleep(2)
    service = distribution.service
    watched = {"HBase": pids["hbase"], "Kafka": pids["kafka-1"], "fink": service, "consumer": consumer.pid}
    before = {what: cpu_seconds(pid) for what, pid in watched.items()}
    began = time.time()
    writer = subprocess.Popen(distribution.command("ingest", *files), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(writer.pid, 0)
    written = time.time() - began
    used = {}
    while consumer.is_alive() and results.empty():
        for what, pid in watched.items():
            if what != "consumer" or consumer.is_alive():
                used[what] = cpu_seconds(pid) - before[what]
        time.sleep(0.02)
    if results.empty():
        raise SystemExit("the consumer failed")
    bytes_read, messages, different, times = results.get()
    consumer.join()
    for file in files:
        file.unlink()
    if status or not times:
        raise SystemExit(f"fink ingest ended with {status}; {messages} messages")
    first = min(put for put, _ in times)
    last_put, last_seen = max(put for put, _ in times), max(seen for _, seen in times)
    delays = sorted(seen - put for put, seen in times)
    at = lambda share: delays[min(len(delays) - 1, int(share * len(delays)))] / 1000
    print(
        f"visit {number + 1}: {different} of {alerts} alerts of {bytes_read // messages} B, {messages - different} twice; after the first put: "
        f"last put {(last_put - first) / 1000:.2f} s, first consumed {(min(seen for _, seen in times) - first) / 1000:.2f} s, "
        f"last consumed {(last_seen - first) / 1000:.2f} s"
    )
    print(f"  put -> consumer: p50 {at(0.5):.2f} s, p99 {at(0.99):.2f} s; fink ingest as a whole {written:.2f} s")
    used["fink ingest"] = usage.ru_utime + usage.ru_stime
    print("  CPU seconds: " + ", ".join(f"{what} {seconds:.1f}" for what, seconds in used.items()), flush=True)
    return different == alerts == messages


def main():
    fink, cluster = sys.argv[1:3]
    alerts, size, visits = map(int, sys.argv[3:6])
    key = sys.argv[6]
    with tempfile.TemporaryDirectory(prefix="fink-visit-") as folder:
        distribution = Distribution(fink, cluster, folder, f"fink_visit_{os.getpid()}", stream=f'key = "{key}"')
        try:
            # Makes table, catalog and regions, an hour ago: no alerts of the visit.
            hour_ago = int(time.time() * 1000) - 3_600_000
            distribution.run("simulate", "--survey", "lsst", "--seed", 1, "--alerts", 256, "--into-db", "--timestamp", hour_ago)
            distribution.start()
            arrived = [visit(distribution, Path(folder), number, alerts, size) for number in range(visits)]
            print(f"fink ended with {distribution.stop()}")
        finally:
            distribution.clean_up()
    sys.exit(0 if all(arrived) else 1)


if __name__ == "__main__":
    main()
