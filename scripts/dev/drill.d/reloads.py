"""Reloads of a service whose rules change. `scripts/dev/reloads` starts this, and says what it does."""

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from service import Service, write_catalog

from follower import Follower
from hbase import HBase
from rows import magpsf
from servers import Servers
from writer import Writer

SPLITS = [f"ZTF{number:x}" for number in range(4, 16, 4)]
# The stream of all alerts, whose schema names the version of the rules; one with rules; one with rules and without transactions.
MARKED, BRIGHT, PLAIN = "marked", "bright", "plain"
# How long a reload, the last alerts, and the end of the process may take, in seconds.
RELOADED, SETTLED, END = 60, 120, 60
IN_FORCE, REFUSED = "the new configuration is in force", "the new configuration is refused"


def parse():
    parser = argparse.ArgumentParser(prog="reloads", add_help=False)
    for name in ("cluster", "folder", "fink"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("rate", 300), ("reloads", 50), ("bytes", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--pause", type=float, default=2)
    return parser.parse_args()


def limit(stream, version):
    """The magnitude below which a version of the rules keeps an alert: another one for each version and stream."""
    return 15 + (version * (7 if stream == BRIGHT else 11)) % 60 / 10


class Versions(Follower):
    """Follows the topics, and knows under which version of the rules each alert was sent."""

    def __init__(self, servers, topics, group):
        # By candid: the version, the timestamp of the row and the time at which it was received, ms since 1970.
        self.marks, self.backwards = {}, 0
        self._last, self._names = Counter(), {}
        super().__init__(servers, topics, group)

    def _take(self, message, now):
        super()._take(message, now)
        if message.topic() != self._timed:
            return
        key = message.key()
        if key not in self._names:
            self._names[key] = int(json.loads(key)["name"].removeprefix("version_"))
        version, partition = self._names[key], message.partition()
        candid = self.decode(message)["candid"]
        self.marks.setdefault(candid, (version, int(dict(message.headers())["fink-timestamp"]), now))
        self.backwards += version < self._last[partition]
        self._last[partition] = version


class Reloads:
    """One run."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.folder)
        self.servers = Servers(options.cluster)
        self.name, self.wrong = f"fink_reloads_{os.getpid()}", []
        # By version: when SIGHUP was sent and when the log said that it was in force, ms since 1970.
        self.asked, self.in_force, self.took = {}, {}, []

    def run(self):
        """Everything; the exit code."""
        options, name = self.options, self.name
        (self.folder / "logs").mkdir(exist_ok=True)
        write_catalog(self.folder, name)
        hbase = HBase(options.cluster, self.servers.env["FINK_TEST_HBASE_CLASSPATH"], name, self.folder / "logs" / "hbase-client.log")
        hbase.ask("create", *SPLITS)
        hbase.ask("expire", 1800)
        self.write(0)
        streams = {
            MARKED: f'schema = "{self.folder}/marked.avsc"\n',
            BRIGHT: f'rules = "{self.folder}/bright.xml"\n',
            PLAIN: f'rules = "{self.folder}/plain.xml"\ntransactions = false\n',
        }
        self.servers.allow_reading_back(f"{name}_{PLAIN}")
        self.service = Service(options.fink, self.folder, self.servers, name, "hbase", False, streams=streams)
        self.topics = {stream: self.service.topic(stream) for stream in streams}
        self.follower = Versions(self.servers, list(self.topics.values()), name)
        self.writer = Writer(hbase, options.rate, options.bytes)
        self.writer.start()
        time.sleep(options.pause)
        bad = options.reloads // 2
        for version in range(1, options.reloads + 1):
            self.reload(version, version == bad)
            time.sleep(options.pause)
        self.writer.stop()
        self.compare(bad)
        code = self.service.stop(signal.SIGTERM, END)
        if code != 0:
            self.wrong.append(f"the service ended with {code}")
        self.follower.close()
        hbase.ask("drop")
        hbase.close()
        for topic in (*self.topics.values(), f"fink_checkpoint_{name}", f"{name}_rejected"):
            self.servers.delete_topics(topic)
        for words in self.wrong:
            print(f"WRONG: {words}")
        return 1 if self.wrong else 0

    def write(self, version, bad=False):
        """Writes the rules and the schema of this version; a bad one has a column that does not exist."""
        for stream in (BRIGHT, PLAIN):
            column = "magnitude" if bad and stream == PLAIN else "magpsf"
            (self.folder / f"{stream}.xml").write_text(
                f"""<distribution-rules>
  <select><column name="objectId"/><column name="candid"/><column name="magpsf"/></select>
  <filter><column name="{column}" operator="&lt;" value="{limit(stream, version)}"/></filter>
</distribution-rules>
""",
                encoding="utf-8",
            )
        types = {"objectId": "string", "candid": "long", "magpsf": "double"}
        fields = [{"name": name, "type": [kind, "null"]} for name, kind in types.items()]
        schema = {"type": "record", "name": f"version_{version}", "fields": fields}
        (self.folder / "marked.avsc").write_text(json.dumps(schema), encoding="utf-8")

    def reload(self, version, bad):
        """SIGHUP with this version of the rules, until the log says what became of it."""
        words = REFUSED if bad else IN_FORCE
        before = self.service.words().count(words)
        self.write(version, bad)
        asked = time.time()
        self.asked[version] = asked * 1000
        os.kill(self.service.pid, signal.SIGHUP)
        while self.service.words().count(words) == before:
            if self.service.code() is not None or time.time() > asked + RELOADED:
                raise SystemExit(f"{self.service.words()}\nno `{words}` after SIGHUP {version}")
            time.sleep(0.02)
        if not bad:
            self.in_force[version] = time.time() * 1000
            self.took.append(time.time() - asked)

    def compare(self, bad):
        """Waits for the last alerts; each stream must have what the rules allow under whose version the alert was sent, once."""
        accepted = set(range(1, self.writer.sent + 1)) - self.writer.failed
        marked, follower = self.topics[MARKED], self.follower
        end = time.monotonic() + SETTLED
        while follower.count(marked) < len(accepted) and time.monotonic() < end:
            time.sleep(0.5)
        # The other topics come with the same transactions.
        time.sleep(3)
        marks = follower.marks
        expected = {marked: accepted}
        for stream in (BRIGHT, PLAIN):
            expected[self.topics[stream]] = {candid for candid, (version, _, _) in marks.items() if magpsf(candid) < limit(stream, version)}
        for topic, numbers in expected.items():
            seen = follower.seen[topic]
            lost, others = numbers - seen.keys(), seen.keys() - numbers
            twice = [number for number, count in seen.items() if count > 1]
            words = f"{topic}: {len(numbers)} alerts expected, {len(seen)} received: lost {len(lost)}, twice {len(twice)}, others {len(others)}"
            print(words)
            if lost or twice or others:
                self.wrong.append(f"{words}; {sorted(lost)[:5]} {twice[:5]} {sorted(others)[:5]}")
        alerts = Counter(version for version, _, _ in marks.values())
        early = sum(1 for version, _, received in marks.values() if version and received < self.asked[version])
        # A row that was put after a version was in force has that version or a later one.
        written = sorted((at, version) for version, at in self.in_force.items())
        late = sum(1 for version, stamped, _ in marks.values() for at, least in written if stamped > at and version < least)
        took = sorted(self.took)
        print(
            f"{len(self.asked)} reloads, one of them refused; from SIGHUP to the first look with the new rules {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s at most;"
            f" {min(alerts.values())} to {max(alerts.values())} alerts under each of {len(alerts)} versions"
        )
        print(f"sent under a version before SIGHUP: {early}; under an older one after it was in force: {late}; under an older one behind a newer one: {follower.backwards}")
        missing = set(range(self.options.reloads + 1)) - alerts.keys() - {bad}
        if early or late or follower.backwards or bad in alerts or missing:
            self.wrong.append(f"the versions do not fit the reloads: no alerts under {sorted(missing)}, {alerts[bad]} under the refused one")
        delays = sorted(follower.take_delays())
        print(f"put -> consumer: p50 {delays[len(delays) // 2] / 1000:.2f} s, p99 {delays[len(delays) * 99 // 100] / 1000:.2f} s, max {delays[-1] / 1000:.2f} s")
        if self.writer.failed:
            self.wrong.append(f"HBase refused {len(self.writer.failed)} rows")


if __name__ == "__main__":
    reloads = Reloads(parse())
    try:
        code = reloads.run()
    finally:
        if getattr(reloads, "service", None):
            reloads.service.stop(signal.SIGKILL, 5)
    sys.stdout.flush()
    os._exit(code)
