"""The input of fink: the catalog, rules, a filter, and a configuration each for the service and for what runs beside it."""

import json
import sys

COLUMNS = {"objectId": "string", "magpsf": "double", "stamp": "binary", "status": "string"}
BRIGHT = 18.0
RULES = f"""<distribution-rules>
  <select><column name="objectId"/><column name="candid"/><column name="magpsf"/></select>
  <filter><column name="magpsf" operator="&lt;" value="{BRIGHT}"/></filter>
</distribution-rules>
"""
# The job's filter keeps all, slowly: so that its faults come while it is at work.
FILTERS = """import time

import pandas as pd


def one_of_three(candid: pd.Series) -> pd.Series:
    return candid % 3 == 0


def slowly(candid: pd.Series) -> pd.Series:
    time.sleep({seconds} * len(candid))
    return candid > 0
"""
# Alerts in one call of a filter, and the processes that run filters.
BATCH, WORKERS = 50, 2
# Of each topic.
PARTITIONS = 2
# Of the service; then those of the job and of the service of one stream.
STREAMS, BESIDE = ("all", "bright", "third"), ("job", "beside")
# With --plain the service has one more, whose topic is written without transactions.
PLAIN = "plain"


class Configuration:
    """Files in `folder`. Everything is named `name`: the table, the distribution, and with a suffix the topics."""

    def __init__(self, folder, servers, name, scale, options):
        self._folder, self._servers, self._scale, self.name = folder, servers, scale, name
        self._store, self._push = options.store, options.push
        self._streams = STREAMS + ((PLAIN,) if options.plain else ())

    def topic(self, stream):
        """Where a stream goes."""
        return f"{self.name}_{stream}"

    def write(self, seconds):
        """Writes all files; the job takes about so many `seconds` for an alert."""
        columns = {name: {"cf": "i", "col": name, "type": kind} for name, kind in COLUMNS.items()}
        columns["key"] = {"cf": "rowkey", "col": "key", "type": "string"}
        columns["candid"] = {"cf": "t", "col": "candid", "type": "long"}
        catalog = {"table": {"namespace": "default", "name": self.name}, "rowkey": "key", "columns": columns}
        (self._folder / "catalog.json").write_text(json.dumps(catalog, indent=1), encoding="utf-8")
        (self._folder / "bright.xml").write_text(RULES, encoding="utf-8")
        (self._folder / "chaos_filters.py").write_text(FILTERS.format(seconds=seconds * WORKERS), encoding="utf-8")
        self._write("service", self._streams, self._push_keys() if self._push else "")
        # The same distribution, with two streams more, as where streams are added while the service runs.
        self._write("beside", self._streams + BESIDE)

    def path(self, what):
        """The configuration of the service, or of what runs `beside` it."""
        return str(self._folder / f"{what}.toml")

    def _push_keys(self):
        """The service alone is pushed to: each needs a peer of its own."""
        zookeeper = self._servers.env["FINK_TEST_ZOOKEEPER"]
        return f'push = true\npush_zookeeper = "{zookeeper}"\npush_root = "/{self.name}"\npush_peer = "{self.name}"\npush_listen = "127.0.0.1:0"\n'

    def _write(self, what, streams, push=""):
        folder, scale = self._folder, self._scale
        selection = {
            "bright": f'rules = "{folder}/bright.xml"\n',
            "third": 'filters = ["chaos_filters:one_of_three"]\n',
            "job": 'filters = ["chaos_filters:slowly"]\n',
            PLAIN: "transactions = false\n",
        }
        blocks = "".join(
            f'[[stream]]\nname = "{stream}"\ntopic = "{self.topic(stream)}"\npartitions = {PARTITIONS}\n{selection.get(stream, "")}'
            for stream in streams
        )
        (self._folder / f"{what}.toml").write_text(
            f"""[science_db]
kind = "{self._store}"
address = "{self._servers.env[f"FINK_TEST_{self._store.upper()}"]}"
catalog = "{folder}/catalog.json"
{push}{self._servers.kafka_section()}[distribution]
name = "{self.name}"
status = true
overlap = "{scale.overlap}s"
repair = "{scale.repair}s"
repair_every = "{scale.repair_every}s"
rejected_topic = "{self.name}_rejected"
[filters]
python = "{sys.executable}"
path = ["{folder}"]
batch = {BATCH}
workers = {WORKERS}
{blocks}""",
            encoding="utf-8",
        )
