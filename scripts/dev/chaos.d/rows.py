"""The rows that are put: the cells of each, and an independent record of all of them."""

import json
import threading
from dataclasses import dataclass

ALERTS_AN_OBJECT = 20
# Every so many rows one has a large stamp.
LARGE_EVERY, LARGE = 700, 60_000


@dataclass
class Version:
    """One version of a row: an alert."""

    candid: int
    row: str
    # normal, late, ahead, behind, again (a row that was there), history
    kind: str
    # ms since 1970; None: the region server's clock
    stamped: int | None
    # between these it was put, ms since 1970; `acknowledged` is None where HBase did not answer or refused
    began: int = 0
    acknowledged: int | None = None

    def may_bear(self, time):
        """Whether HBase may have stamped it so."""
        if self.stamped is not None:
            return time == self.stamped
        return self.began <= time and (self.acknowledged is None or time <= self.acknowledged)

    def delay(self, time):
        """How long after its timestamp it was visible at the latest, ms; None: not known."""
        return None if self.acknowledged is None else self.acknowledged - time

    def fields(self):
        """Its cells, as HBaseClient.java takes them."""
        stamped = "-" if self.stamped is None else self.stamped
        return (self.row, stamped, self.candid, object_of(self.row), magpsf(self.candid), len(stamp(self.candid)))


def object_of(row):
    """The object of a row."""
    return row.partition("_")[0]


def row_of(number, dice, objects):
    """The key of a new row: its object, spread over all regions, then its number, so that an object's rows are in their order."""
    return f"ZTF{(dice.randrange(objects) * 40503) % 65536:04x}_{number:09d}"


def magpsf(candid):
    """A magnitude between 14 and 22."""
    return 14 + (candid * 7919) % 8000 / 1000


def stamp(candid):
    """Some bytes, a few of them many."""
    return bytes([candid % 251]) * (LARGE if candid % LARGE_EVERY == 0 else candid * 7919 % 400)


class Record:
    """Every version that was put, by its candid; also in a file, one JSON object a line."""

    def __init__(self, path):
        self._file = open(path, "w", encoding="utf-8")
        self._lock = threading.Lock()
        self.versions = {}

    def add(self, version):
        """A version that is about to be put."""
        with self._lock:
            self.versions[version.candid] = version

    def answered(self, versions, began, acknowledged):
        """HBase has answered; `acknowledged` is None where it refused."""
        with self._lock:
            for version in versions:
                version.began, version.acknowledged = began, acknowledged
                self._file.write(json.dumps(vars(version)) + "\n")

    def close(self):
        """Writes out the file."""
        self._file.close()
