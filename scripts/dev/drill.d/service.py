"""A distribution on the table of HBaseClient.java: its configuration, its process, and what it answers over HTTP."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

for folder in ("bench.d", "chaos.d"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / folder))

import configuration as chaos
import processes

# The stream of all alerts, and that of the bright ones.
STREAMS = ("all", "bright")
PARTITIONS = 4
# How long a service may take to say its first words, in seconds.
START = 120
ANSWER = 10


def write_catalog(folder, table):
    """The catalog of the table, and the rules of the stream `bright`."""
    columns = {name: {"cf": "i", "col": name, "type": kind} for name, kind in chaos.COLUMNS.items() if name != "status"}
    columns["key"] = {"cf": "rowkey", "col": "key", "type": "string"}
    columns["candid"] = {"cf": "t", "col": "candid", "type": "long"}
    catalog = {"table": {"namespace": "default", "name": table}, "rowkey": "key", "columns": columns}
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    (folder / "bright.xml").write_text(chaos.RULES, encoding="utf-8")


class Service:
    """A running `fink start distribution` named `name`, which reads the science database by `store`; files are in `folder`.

    `more`: further lines of [science_db].
    """

    def __init__(self, fink, folder, servers, name, store, with_metrics=True, more=""):
        self.name, self.store, self._folder = name, store, folder
        (folder / "logs").mkdir(exist_ok=True)
        self.config = folder / f"{name}.toml"
        blocks = "".join(
            f'[[stream]]\nname = "{stream}"\ntopic = "{self.topic(stream)}"\npartitions = {PARTITIONS}\n'
            + (f'rules = "{folder}/bright.xml"\n' if stream == "bright" else "")
            for stream in STREAMS
        )
        self.config.write_text(
            f"""[science_db]
kind = "{store}"
address = "{servers.env[f"FINK_TEST_{store.upper()}"]}"
catalog = "{folder}/catalog.json"
{more}{servers.kafka_section()}[kafka.librdkafka]
"compression.codec" = "zstd"
[distribution]
name = "{name}"
rejected_topic = "{name}_rejected"
{'[metrics]' if with_metrics else ''}
{'listen = "127.0.0.1:0"' if with_metrics else ''}
{blocks}""",
            encoding="utf-8",
        )
        self._command = [fink, "-c", str(self.config)]
        self._starts, self._with_metrics = 0, with_metrics
        self.start("--from", "now")

    def topic(self, stream):
        """Where a stream goes."""
        return f"{self.name}_{stream}"

    def start(self, *arguments):
        """Starts it, and waits until it is at work."""
        self._starts += 1
        command = [*self._command, "start", "distribution", *arguments]
        self._process = processes.Process(command, self._folder, f"{self.name}-{self._starts}")
        self.log = self._process.log
        self.pid = self._process.pid
        self._await("distributing what is written")
        if self._with_metrics:
            self.address = re.search(r"http://([^/]*)/metrics", self.words()).group(1)

    def words(self):
        """Its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def code(self):
        """Its exit code; None: it runs."""
        return self._process.code()

    def stop(self, number, seconds):
        """Sends a signal; the exit code, or None where it still runs after so long."""
        self._process.signal(number)
        return self._process.wait(seconds)

    def get(self, path):
        """The status code and the text of a response; the code 0: none."""
        try:
            connection = http.client.HTTPConnection(self.address, timeout=ANSWER)
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def metrics(self):
        """The values of all samples by name and labels, such as `fink_outage_seconds{server=kafka}`, and their text; None: no response."""
        code, text = self.get("/metrics")
        if code != 200:
            return None
        return samples(text), text

    def run(self, *arguments):
        """What another command prints with the same configuration."""
        environment = dict(os.environ, FINK_RUN_DIR=str(self._folder / "run" / f"{self.name}-{self._starts}"))
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)

    def _await(self, words):
        end = time.monotonic() + START
        while words not in self.words():
            if self.code() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.words()}\n{self.name} does not say `{words}`")
            time.sleep(0.1)


def samples(text):
    """The samples of a text in Prometheus' format."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()) if name not in ("topic", "distribution"))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


class EventReader:
    """A client of the status page's events that stays connected."""

    def __init__(self, service):
        self.events, self.longest, self.failure = 0, 0.0, None
        self._service = service
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            connection = http.client.HTTPConnection(self._service.address, timeout=60)
            connection.request("GET", "/events")
            response, last = connection.getresponse(), time.monotonic()
            for line in response:
                if line.startswith(b"data:"):
                    json.loads(line[5:])
                    now = time.monotonic()
                    self.events, self.longest, last = self.events + 1, max(self.longest, now - last), now
            self.failure = f"the stream ended after {self.events} events"
        except Exception as error:
            self.failure = f"{error} after {self.events} events"
