"""Those who are measured, each in the same way: a run is alerts, seconds and what they took."""

import json
import re
import sys
from dataclasses import dataclass

import measure
import topics
from workplace import COMPARE, PARTITIONS

THREADS = (1, 2, 4)
NAMES = ("hbase", "kafka", "librdkafka", "python-1", "python-2", "spark", "fink")
# What Java 17 must open to Spark: org.apache.spark.launcher.JavaModuleOptions, as far as a local job needs it.
OPEN_TO_SPARK = ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent", "util.concurrent.atomic")
# As fink creates the topic of a checkpoint.
CHECKPOINT_PARTITIONS = 16


@dataclass
class Run:
    """One measurement. `seconds` are those the work took by the contestant's own clock, or the whole process's."""

    contestant: str
    alerts: int
    seconds: float
    usage: measure.Usage

    @property
    def rate(self):
        return self.alerts / self.seconds


@dataclass
class Sizes:
    """A message's mean size, as readers of the topic found it."""

    key: int = 0
    value: int = 0


class Contestants:
    def __init__(self, place):
        self._place = place
        self._processes = place.servers.processes()
        self._alerts = place.options.alerts
        self._contents = {}
        self._spark_job = None
        self.sizes = Sizes()

    def run(self, name):
        """Measures one contestant; the Java client is measured for each number of threads."""
        if name == "hbase":
            return self._hbase()
        topic = self._place.new_topic()
        run = getattr(self, "_" + name.partition("-")[0])(name, topic)
        if run.alerts != self._alerts:
            raise SystemExit(f"{name} sent {run.alerts} of {self._alerts} alerts")
        if name in ("fink", "spark") or name.startswith("python"):
            self._verify(name, topic)
        self._place.servers.delete_topics(topic)
        return [run]

    def _measure(self, command):
        return measure.run([str(word) for word in command], self._processes, self._place.log)

    def _hbase(self):
        threads = ",".join(map(str, THREADS))
        # One warm-up and one run for each: the JVM has compiled the client's code before the clock starts.
        usage = self._measure(self._place.parallel_scan("scan", threads, "1", "1"))
        found = [json.loads(line) for line in usage.output.splitlines()]
        for run in found:
            if run["rows"] != self._alerts:
                raise SystemExit(f"the Java client read {run['rows']} of {self._alerts} rows")
        return [Run(f"hbase-{run['threads']}", run["rows"], run["seconds"], usage) for run in found]

    def _kafka(self, name, topic):
        record = str(self.sizes.key + self.sizes.value)
        settings = self._place.java_producer()
        command = ["java", "-XX:-UsePerfData", "-cp", self._place.kafka_classes]
        command += ["org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--throughput", "-1"]
        command += ["--num-records", self._alerts, "--record-size", record, "--producer.config", settings]
        usage = self._measure(command)
        # Its last line: "10000 records sent, 3012.0 records/sec (132.1 MB/sec), ..."
        sent, rate = re.findall(r"^(\d+) records sent, ([\d.]+) records/sec", usage.output, re.MULTILINE)[-1]
        return Run(name, int(sent), int(sent) / float(rate), usage)

    def _librdkafka(self, name, topic):
        sizes = {"messages": self._alerts, "key_bytes": self.sizes.key, "value_bytes": self.sizes.value}
        usage = self._measure([self._place.librdkafka, self._place.job(topic, **sizes)])
        said = json.loads(usage.output)
        return Run(name, said["messages"], said["seconds"], usage)

    def _python(self, name, topic):
        processes = name.partition("-")[2]
        usage = self._measure([sys.executable, COMPARE / "pipeline.py", self._place.job(topic), processes])
        said = json.loads(usage.output)
        return Run(name, said["alerts"], said["seconds"], usage)

    def _spark(self, name, topic):
        """Its JVM stays from the warm-up on: the time is that of the job in a warm JVM."""
        if self._spark_job is None:
            command = ["java", "-Xmx1g", "-XX:+UseParallelGC", "-XX:-UsePerfData"]
            command += [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPEN_TO_SPARK]
            command += ["--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/sun.security.action=ALL-UNNAMED"]
            command += ["-cp", self._place.spark_classes, "SparkJob", str(self._place.job(topic))]
            self._spark_job = measure.Resident(command, self._place.log)
        usage = self._spark_job.run(topic, self._processes)
        said = json.loads(usage.output)
        return Run(name, said["alerts"], said["seconds"], usage)

    def stop(self):
        """Ends what stays between runs."""
        if self._spark_job:
            self._spark_job.stop()

    def _fink(self, name, topic):
        # Made before its time begins, as the topics of all contestants are.
        topics.create(self._place.servers, f"fink_checkpoint_{topic}", CHECKPOINT_PARTITIONS, **{"cleanup.policy": "compact"})
        command = [self._place.options.fink, "-c", self._place.config(topic), "start", "distribution"]
        usage = self._measure([*command, "--from", "earliest", "--until", "now", "--stream", "bench"])
        return Run(name, self._alerts, usage.seconds, usage)

    def _verify(self, name, topic):
        """The first time, reads back what was sent: all of it, and the same alerts as the other contestants'."""
        if name in self._contents:
            return
        contents = topics.contents(self._place.servers, topic)
        if contents["messages"] != self._alerts:
            raise SystemExit(f"{name}: readers find {contents['messages']} of {self._alerts} alerts")
        for other, theirs in self._contents.items():
            if theirs["sum"] != contents["sum"]:
                raise SystemExit(f"{name} and {other} did not send the same alerts")
        self._contents[name] = contents
        self.sizes = Sizes(contents["key_bytes"] // self._alerts, contents["value_bytes"] // self._alerts)
