"""Where a benchmark runs: the cluster, its servers' processes, the table and the files that the contestants are given."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import topics
from servers import Servers

PROJECT = Path(__file__).resolve().parents[3]
COMPARE = PROJECT / "benches" / "compare"
PARTITIONS = 4
REGIONS = 4
ALERT_BYTES = 46_000
# Of librdkafka, beside what each contestant must set itself; fink's own.
PRODUCER = {"linger.ms": 50, "batch.size": 1000000, "message.max.bytes": 104000000}


class Workplace:
    """Everything is named by `name`, so that what was there before is left alone and nothing stays behind."""

    def __init__(self, options, history, name):
        self.options = options
        self.history = history
        self.name = name
        self.folder = Path(options.folder) / history
        self.folder.mkdir()
        self.log = self.folder / "contestants.log"
        self.servers = Servers(options.cluster)
        self.gateways = self.servers.env["FINK_TEST_THRIFT2"].split(",")
        self.hbase_classes = Path(options.hbase).read_text().strip()
        self.kafka_classes = Path(options.kafka_tools).read_text().strip()
        self.spark_classes = Path(options.spark_classes).read_text().strip() if options.spark_classes else None
        self.thrift_gen = _thrift_gen(self.hbase_classes, Path(options.hbase).parent)
        self.catalog = self.folder / "catalog.json"
        self.schema = self.folder / "catalog.avsc"
        self._runs = 0

    @property
    def librdkafka(self):
        """The program that sends with librdkafka alone."""
        return _executable(self.options.librdkafka)

    def new_topic(self):
        """A topic for one run."""
        self._runs += 1
        topic = f"{self.name}_{self._runs}"
        topics.create(self.servers, topic, PARTITIONS)
        return topic

    def config(self, topic):
        """A configuration of fink that sends the table to this topic; its distribution is new, so begins anew."""
        options, env = self.options, self.servers.env
        path = self.folder / "fink.toml"
        path.write_text(
            f"""
[science_db]
kind = "{options.store}"
address = "{env[f"FINK_TEST_{options.store.upper()}"]}"
catalog = "{self.catalog}"
table = "{self.name}"
{self.servers.kafka_section()}[distribution]
name = "{topic}"
status = false
offset_file = "{self.folder / "distribution.offset"}"
rejected_topic = "{self.name}_rejected"
[[stream]]
name = "bench"
topic = "{topic}"
partitions = {PARTITIONS}
schema = "{self.schema}"
encoding = "datum"
key = "{options.key}"
"""
        )
        return path

    def job(self, topic, **more):
        """What the contestants of benches/compare read."""
        env = self.servers.env
        path = self.folder / "job.json"
        path.write_text(
            json.dumps(
                {
                    "thrift_gen": str(self.thrift_gen),
                    "zookeeper": env["FINK_TEST_ZOOKEEPER"],
                    "gateways": self.gateways,
                    "table": self.name,
                    "catalog": str(self.catalog),
                    "schema": str(self.schema),
                    "object_id": "objectId",
                    "bootstrap_servers": env["FINK_TEST_BOOTSTRAP"],
                    "security_protocol": env["FINK_TEST_SECURITY_PROTOCOL"],
                    "sasl_mechanism": env["FINK_TEST_SASL_MECHANISM"],
                    "username": env["FINK_TEST_PRODUCER_USER"],
                    "password_file": env["FINK_TEST_PRODUCER_PASSWORD_FILE"],
                    "transactional_id": topic,
                    "topic": topic,
                    "checkpoint_topic": f"{self.name}_checkpoint",
                    "partitions": PARTITIONS,
                    "key": self.options.key,
                    "producer": PRODUCER,
                    **more,
                }
            )
        )
        return path

    def java_producer(self):
        """The same settings for Kafka's own producer. The password is in the file alone."""
        env = self.servers.env
        password = Path(env["FINK_TEST_PRODUCER_PASSWORD_FILE"]).read_text().strip()
        settings = {
            "bootstrap.servers": env["FINK_TEST_BOOTSTRAP"],
            "security.protocol": env["FINK_TEST_SECURITY_PROTOCOL"].upper(),
            "sasl.mechanism": env["FINK_TEST_SASL_MECHANISM"],
            "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f'username="{env["FINK_TEST_PRODUCER_USER"]}" password="{password}";',
            "acks": "all",
            "enable.idempotence": "true",
            "linger.ms": PRODUCER["linger.ms"],
            "batch.size": PRODUCER["batch.size"],
            "max.request.size": PRODUCER["message.max.bytes"],
            "buffer.memory": 128 << 20,
        }
        path = self.folder / "producer.properties"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def parallel_scan(self, *arguments):
        """The command of the Java client: `compact`, or `scan` and its arguments."""
        zookeeper = self.servers.env["FINK_TEST_ZOOKEEPER"]
        program = str(COMPARE / "ParallelScan.java")
        return ["java", "-XX:-UsePerfData", "-cp", self.hbase_classes, program, zookeeper, self.name, *arguments]

    def fill_table(self):
        """Makes the alerts and the table."""
        options = self.options
        fink = [options.fink, "-c", str(self.config(f"{self.name}_0"))]
        alerts = ["--survey", "ztf", "--alerts", str(options.alerts), "--bytes", str(ALERT_BYTES), "--seed", "1"]
        # Slow enough for an HBase with 1 GB of memory to flush as fast as it is filled.
        table = ["--into-db", "--regions", str(REGIONS), "--history", self.history, "--rate", "1500"]
        self._run([*fink, "simulate", *alerts, *table])
        self._run(self.parallel_scan("compact"))
        topics.create(self.servers, f"{self.name}_checkpoint", 1)

    def _run(self, command):
        with open(self.log, "ab") as log:
            if subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL).returncode:
                raise SystemExit(f"{self.log.read_text(errors='replace')[-2000:]}\n{command[0]} failed")

    def clean_up(self):
        """Removes the table and the topics."""
        self.servers.delete_topics(self.name)
        self.servers.delete_topics(f"fink_checkpoint_{self.name}")
        sys.path.insert(0, str(self.thrift_gen))
        from hbase import THBaseService
        from hbase.ttypes import TTableName
        from thrift.protocol.TBinaryProtocol import TBinaryProtocol
        from thrift.transport.TSocket import TSocket
        from thrift.transport.TTransport import TBufferedTransport

        host, port = self.gateways[0].split(":")
        transport = TBufferedTransport(TSocket(host, int(port)))
        transport.open()
        client, table = THBaseService.Client(TBinaryProtocol(transport)), TTableName(b"default", self.name.encode())
        if client.tableExists(table):
            client.disableTable(table)
            client.deleteTable(table)
        transport.close()


def _executable(messages):
    for line in Path(messages).read_text().splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "librdkafka":
            return message["executable"]
    raise SystemExit("cargo did not say where it put the bench `librdkafka`")


def _thrift_gen(classes, cache):
    """Python code for HBase's Thrift 2, made from the definition in HBase's own jar."""
    jar = next(Path(entry) for entry in classes.split(":") if Path(entry).name.startswith("hbase-thrift-"))
    generated = cache / f"gen-{jar.stem}"
    if not (generated / "hbase").is_dir():
        generated.mkdir(exist_ok=True)
        definition = generated / "hbase.thrift"
        with zipfile.ZipFile(jar) as archive:
            definition.write_bytes(archive.read("org/apache/hadoop/hbase/thrift2/hbase.thrift"))
        subprocess.run(["thrift", "--gen", "py", "-out", generated, definition], check=True, capture_output=True)
    return generated
