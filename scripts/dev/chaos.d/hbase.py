"""The table, through HBase's own Java client: a process that HBaseClient.java runs in, one request a line."""

import itertools
import queue
import subprocess
import threading
from pathlib import Path

SOURCE = Path(__file__).with_name("HBaseClient.java")
# What HBase's client needs on JDK 17.
OPENED = ("java.nio", "sun.nio.ch", "java.lang", "jdk.internal.ref")


class RequestFailed(Exception):
    """HBase refused a request, or could not do it in its time."""


class HBase:
    """A client of one table. `cluster` is the folder of `scripts/cluster`, `class_path` the file that names HBase's jars."""

    def __init__(self, cluster, class_path, table, log):
        jars = Path(class_path).read_text(encoding="utf-8").strip()
        options = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        command = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Dfink.log={log}", *options]
        command += ["-cp", f"{cluster}/conf/hbase:{jars}", str(SOURCE), table]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(f"{log}.err", "wb"), text=True
        )
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        # Of each request under way: what is called with each of its lines.
        self._waiting = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, answered, *words):
        """Sends a request; `answered(kind, fields)` is called with each line of the answer, in another thread."""
        with self._lock:
            number = str(next(self._numbers))
            self._waiting[number] = answered
            self._process.stdin.write("\t".join((number, *map(str, words))) + "\n")
            self._process.stdin.flush()

    def ask(self, *words, within=180):
        """The answer to a request: its fields, and the fields of the lines before."""
        lines, answers = [], queue.Queue()
        self.send(lambda kind, fields: answers.put((kind, fields)), *words)
        while True:
            try:
                kind, fields = answers.get(timeout=within)
            except queue.Empty:
                raise RequestFailed(f"{words[0]}: no answer within {within} s") from None
            if kind == "failed":
                raise RequestFailed(f"{words[0]}: {fields[0]}")
            if kind == "ok":
                return fields, lines
            lines.append(fields)

    def scan(self):
        """The newest version of each row: (timestamp in ms since 1970, candid) by its key."""
        _, lines = self.ask("scan", within=600)
        return {row: (int(time), int(candid)) for row, time, candid in lines}

    def close(self):
        """Ends the client."""
        self._process.stdin.close()
        self._process.wait(20)

    def _read(self):
        for line in self._process.stdout:
            number, kind, *fields = line.rstrip("\n").split("\t")
            answered = self._waiting[number] if kind == "row" else self._waiting.pop(number)
            answered(kind, fields)
        # The process has ended: no thread may wait for it any longer.
        for answered in list(self._waiting.values()):
            answered("failed", ["HBase's client has ended"])
