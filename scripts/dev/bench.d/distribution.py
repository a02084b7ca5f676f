"""A service of fink with a table, a topic and a folder of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from servers import Servers

TABLE = Path(__file__).resolve().parent / "Table.java"


class Distribution:
    """Everything is named by `name`, and gone after `clean_up`."""

    def __init__(self, fink, cluster, folder, name, stream="", distribution=""):
        self.servers, self.name, self._fink, self._folder = Servers(cluster), name, fink, Path(folder)
        self.catalog = self._folder / "catalog.json"
        self._log = self._folder / "fink.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._metrics = f"127.0.0.1:{free.getsockname()[1]}"
        self._environment = dict(os.environ, FINK_RUN_DIR=str(folder))
        self._service = None
        # Ended by `kill` or `timeout`, it cleans up like on Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        (self._folder / "fink.toml").write_text(
            f"""[science_db]
kind = "hbase"
address = "{self.servers.env["FINK_TEST_HBASE"]}"
catalog = "{self.catalog}"
table = "{name}"
{self.servers.kafka_section()}[distribution]
name = "{name}"
{distribution}
[metrics]
listen = "{self._metrics}"
[[stream]]
name = "full"
topic = "{name}"
partitions = 4
{stream}
"""
        )

    def command(self, *words):
        return [self._fink, "-q", "-c", str(self._folder / "fink.toml"), *map(str, words)]

    def run(self, *words):
        """Runs a command of fink to its end."""
        subprocess.run(self.command(*words), check=True, env=self._environment, stdout=subprocess.DEVNULL)

    def table(self, *words):
        """What Table.java prints."""
        classes = Path(self.servers.env["FINK_TEST_HBASE_CLASSPATH"]).read_text().strip()
        command = ["java", "-XX:-UsePerfData", "-cp", classes, TABLE, self.servers.env["FINK_TEST_ZOOKEEPER"], self.name]
        done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr[-2000:]}\nTable.java {words[0]} failed")
        return done.stdout

    def start(self):
        """Starts the service for what is put from now on."""
        command = [word for word in self.command("start", "distribution", "--from", "now") if word != "-q"]
        with open(self._log, "w", encoding="utf-8") as log:
            self._service = subprocess.Popen(command, stderr=log, env=self._environment)
        while "distributing" not in (said := self._log.read_text(encoding="utf-8")):
            if self._service.poll() is not None:
                raise SystemExit(said)
            time.sleep(0.1)

    @property
    def service(self):
        """The service's process id."""
        return self._service.pid

    def metrics(self):
        """The samples of /metrics: values by name with labels."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=10) as answer:
            return dict(re.findall(r"^(\w[^ ]*?(?:\{.*\})?) ([^ ]+)$", answer.read().decode(), re.MULTILINE))

    def stop(self):
        """The exit code."""
        service, self._service = self._service, None
        service.terminate()
        return service.wait(60)

    def clean_up(self):
        if self._service:
            self.stop()
        self.servers.delete_topics(self.name)
        self.servers.delete_topics(f"fink_checkpoint_{self.name}")
        self.table("drop")
