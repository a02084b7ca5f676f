"""What a careful Python programmer writes for fink's job: read a table's rows over Thrift 2, rebuild the alerts, encode
them and publish them in transactions, one process for each share of the regions.

Usage: pipeline.py JOB.json PROCESSES

JOB.json, written by scripts/dev/bench, names the servers, the table's catalog and schema, and the topic. Prints one line of
JSON: alerts, seconds, CPU seconds and peak memory of all its processes.
"""

import io
import json
import multiprocessing
import resource
import sys
import time
import zlib

JOB, PROCESSES = sys.argv[1:3]
with open(JOB, encoding="utf-8") as file:
    JOB = json.load(file)
sys.path.insert(0, JOB["thrift_gen"])

import confluent_kafka
import fastavro
from hbase import THBaseService
from hbase.ttypes import TScan, TTimeRange
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport

from cells import Rows, load_catalog

ROWS_A_CALL = 100
ALERTS_A_TRANSACTION = 1000


def gateway(number):
    """A connection to one of the gateways: the processes share them."""
    host, port = JOB["gateways"][number % len(JOB["gateways"])].split(":")
    socket = TSocket(host, int(port))
    # Larger than a call's answer is not needed: the accelerated protocol refills from the socket.
    transport = TBufferedTransport(socket, 1 << 20)
    transport.open()
    return THBaseService.Client(TBinaryProtocolAccelerated(transport))


def regions(table):
    """The table's key ranges, as (start, end)."""
    found = [location.regionInfo for location in gateway(0).getAllRegionLocations(table)]
    return sorted((region.startKey or b"", region.endKey or b"") for region in found)


def rows(client, table, start, end, until):
    """All rows of a key range, each as (row key, cells by family and qualifier)."""
    scan = TScan(startRow=start, stopRow=end, caching=ROWS_A_CALL, timeRange=TTimeRange(0, until))
    scanner = client.openScanner(table, scan)
    try:
        while results := client.getScannerRows(scanner, ROWS_A_CALL):
            for result in results:
                yield result.row, {(cell.family, cell.qualifier): cell.value for cell in result.columnValues}
    finally:
        client.closeScanner(scanner)


def producer(number):
    """With fink's settings."""
    with open(JOB["password_file"], encoding="utf-8") as file:
        password = file.read().strip()
    made = confluent_kafka.Producer(
        {
            "bootstrap.servers": JOB["bootstrap_servers"],
            "security.protocol": JOB["security_protocol"],
            "sasl.mechanism": JOB["sasl_mechanism"],
            "sasl.username": JOB["username"],
            "sasl.password": password,
            "transactional.id": f"{JOB['transactional_id']}-{number}",
            "socket.nagle.disable": True,
            "queue.buffering.max.messages": 0,
            **JOB["producer"],
        }
    )
    made.init_transactions(30)
    return made


def publish(number, waiting, until, done):
    """One process's work: takes key ranges until there are none left; tells how many alerts it sent."""
    table = JOB["table"].encode()
    catalog = load_catalog(JOB["catalog"])
    with open(JOB["schema"], encoding="utf-8") as file:
        schema = json.load(file)
    key = json.dumps(schema, separators=(",", ":")).encode() if JOB["key"] == "schema" else None
    schema = fastavro.parse_schema(schema)
    record = Rows(catalog, schema).record
    object_id = tuple(catalog["columns"][JOB["object_id"]][part].encode() for part in ("cf", "col"))
    # Where the key is one column, that has no cell.
    in_key = next(((b"rowkey", c["col"].encode()) for c in catalog["columns"].values() if c["cf"] == "rowkey"), None)
    topic, partitions = JOB["topic"], JOB["partitions"]
    client, out = gateway(number), producer(number)
    buffer = io.BytesIO()
    sent = 0

    def commit(start, position):
        # What a restart would resume from, in the same transaction as the alerts before it. A message that was not
        # delivered makes the commit fail.
        out.produce(JOB["checkpoint_topic"], key=start, value=position)
        out.commit_transaction()

    while (share := waiting()) is not None:
        start, end = share
        in_transaction = 0
        for row_key, cells in rows(client, table, start, end, until):
            if not in_transaction:
                out.begin_transaction()
            if in_key:
                cells[in_key] = row_key
            buffer.seek(0)
            buffer.truncate()
            fastavro.schemaless_writer(buffer, schema, record(cells))
            partition = zlib.crc32(cells[object_id]) % partitions
            out.produce(topic, buffer.getvalue(), key, partition)
            in_transaction += 1
            if in_transaction == ALERTS_A_TRANSACTION:
                commit(start, row_key)
                sent += in_transaction
                in_transaction = 0
            elif not in_transaction % ROWS_A_CALL:
                out.poll(0)
        if in_transaction:
            commit(start, row_key)
            sent += in_transaction
    done(sent)


def main():
    start = time.perf_counter()
    processes = int(PROCESSES)
    until = int(time.time() * 1000)
    shares = regions(JOB["table"].encode())
    if processes == 1:
        counts = []
        publish(0, iter([*shares, None]).__next__, until, counts.append)
    else:
        context = multiprocessing.get_context("fork")
        waiting, done = context.SimpleQueue(), context.SimpleQueue()
        for share in shares + [None] * processes:
            waiting.put(share)
        workers = [context.Process(target=publish, args=(n, waiting.get, until, done.put)) for n in range(processes)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise SystemExit("a worker failed")
        counts = [done.get() for _ in workers]
    seconds = time.perf_counter() - start
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        json.dumps(
            {
                "alerts": sum(counts),
                "seconds": round(seconds, 4),
                "cpu_seconds": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 4),
                # of the largest child, so an upper bound for the sum when the children are alike
                "peak_kb": own.ru_maxrss + processes * children.ru_maxrss * (processes > 1),
            }
        )
    )


if __name__ == "__main__":
    main()
