"""See scripts/dev/freshness, which calls this with the program, the cluster's folder, rate, seconds, the number of older rows and a line for librdkafka."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from confluent_kafka import Consumer

sys.path.append(str(Path(__file__).resolve().parent / "bench.d"))

from measure import cpu_seconds
from servers import Servers


def wait_until_idle(pid, longest):
    """Waits until a process takes less than a tenth of a core: rows that were put just now are flushed and compacted for a while."""
    end = time.time() + longest
    while time.time() < end:
        before = cpu_seconds(pid)
        time.sleep(5)
        if cpu_seconds(pid) - before < 0.5:
            return
    print(f"process {pid} is still busy after {longest} s", file=sys.stderr)


def quantiles(values):
    """The median, the 99th percentile and the maximum of some values in ms."""
    values = sorted(values)
    return f"p50 {values[len(values) // 2]} ms, p99 {values[int(0.99 * (len(values) - 1))]} ms, max {values[-1]} ms"


def print_steps(log):
    """What the service logs about each commit, and about the calls of region servers."""
    steps = {"put -> sink (first row of each call)": r"(\d+) ms from the first write", "sink -> publisher": r"(\d+) ms waiting",
             "publisher: read, send and commit": r"(\d+) ms in work", "of these, the commit": r"committed [1-9]\d* alerts, \d+ bytes, in (\d+) ms"}
    for what, words in steps.items():
        if found := [int(number) for number in re.findall(words, log)]:
            print(f"{what}: {len(found)} times, {quantiles(found)}")


def measure(folder):
    """Puts, distributes, consumes and prints; the exit code."""
    fink, cluster, store, push, rate, seconds, older = sys.argv[1:5] + [int(word) for word in sys.argv[5:8]]
    librdkafka, servers = sys.argv[8], Servers(cluster)
    name = f"fink_freshness_{os.getpid()}"
    config = f"{folder}/fink.toml"
    with open(config, "w", encoding="utf-8") as file:
        file.write(
            f"""[science_db]
kind = "{store}"
address = "{servers.env[f'FINK_TEST_{store.upper()}']}"
catalog = "{folder}/catalog.json"
table = "{name}"
push = {push}
push_zookeeper = "{servers.env['FINK_TEST_ZOOKEEPER']}"
push_root = "/{name}"
push_peer = "{name}"
push_listen = "127.0.0.1:0"
{servers.kafka_section()}[kafka.librdkafka]
{librdkafka}
[distribution]
name = "{name}"
[[stream]]
name = "full"
topic = "{name}"
partitions = 4
"""
        )
    environment = dict(os.environ, FINK_RUN_DIR=folder)
    run = lambda *words: subprocess.run([fink, "-q", "-c", config, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    hour_ago = str(int(time.time() * 1000) - 3_600_000)
    simulate = ("simulate", "--survey", "ztf", "--seed", "1", "--into-db")
    print(f"putting {older} older rows", file=sys.stderr)
    run(*simulate, "--alerts", str(older), "--timestamp", hour_ago)
    if push == "true":
        run("hbase", "add-peer", "--yes")
    pids = servers.processes()
    wait_until_idle(pids["hbase"], longest=10 + older / 200)

    log = open(f"{folder}/fink.log", "w", encoding="utf-8")
    words = [fink, "-c", config, "start", "distribution", "--from", "now"]
    service = subprocess.Popen(words, stderr=log, env=dict(environment, FINK_LOG="info,fink::distribution=debug"))
    while "distributing" not in open(f"{folder}/fink.log", encoding="utf-8").read():
        if service.poll() is not None:
            sys.exit(open(f"{folder}/fink.log", encoding="utf-8").read())
        time.sleep(0.1)
    consumer = Consumer(
        {
            **servers.client("CONSUMER"),
            "group.id": name,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.subscribe([name])
    count, delays, done = rate * seconds, [], threading.Event()

    def consume():
        while not done.is_set() and len(delays) < count:
            # consume() would hold messages back until it has as many as asked for, or its time is up.
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                put = int(dict(message.headers())["fink-timestamp"])
                delays.append((put, time.time() * 1000 - put))

    reader = threading.Thread(target=consume)
    reader.start()
    time.sleep(5)
    watched = {"region server (with master)": pids["hbase"], "gateway 1": pids["thrift2-1"], "gateway 2": pids["thrift2-2"], "fink": service.pid}
    before, began = {what: cpu_seconds(pid) for what, pid in watched.items()}, time.time()
    print(f"putting {rate} alerts/s for {seconds} s", file=sys.stderr)
    run(*simulate, "--first", str(older), "--alerts", str(count), "--rate", str(rate))
    took = time.time() - began
    used = {what: cpu_seconds(pid) - before[what] for what, pid in watched.items()}
    reader.join(30)
    done.set()
    reader.join()
    service.terminate()
    code = service.wait(30)
    consumer.close()
    if push == "true":
        run("hbase", "remove-peer", "--yes")
    servers.delete_topics(name)
    servers.delete_topics(f"fink_checkpoint_{name}")
    first = min(put for put, _ in delays) if delays else 0
    parts = [[0] for _ in range(10)]
    for put, delay in delays:
        parts[min(9, int((put - first) / 100 / seconds))].append(delay)
    delays = sorted(delay for _, delay in delays)
    at = lambda share: delays[min(len(delays) - 1, int(share * len(delays)))] / 1000
    print(f"{count} alerts put in {took:.1f} s in front of {older} older rows, {len(delays)} consumed; fink ended with {code}")
    if delays:
        print(f"put -> consumer: p50 {at(0.5):.2f} s, p99 {at(0.99):.2f} s, max {delays[-1] / 1000:.2f} s")
        print("the longest in each tenth of the time: " + ", ".join(f"{max(part) / 1000:.1f}" for part in parts) + " s")
    print_steps(open(f"{folder}/fink.log", encoding="utf-8").read())
    for what, seconds_used in used.items():
        print(f"CPU of {what}: {100 * seconds_used / took:.1f} % of a core")
    return 0 if len(delays) == count and code == 0 else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fink-freshness-") as folder:
        code = measure(folder)
    sys.exit(code)
