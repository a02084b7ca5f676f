"""Writers: they put rows all the time, in time and late, again, and stamped by clocks that are wrong."""

import random
import threading
import time

import rows
from rows import Version

# Of 100 puts; the rest are normal.
LATE, AHEAD, BEHIND, AGAIN = 12, 4, 4, 14
# How wrong a clock is, ms.
WRONG = 30_000
# The oldest of the past's rows, and the youngest, ms before now.
PAST = (7_200_000, 3_600_000)
BATCH = 500


class Writers:
    """Puts rows into a table through `hbase`; what was put is in `record`."""

    def __init__(self, hbase, record, seed, alerts, repair):
        self._hbase, self._record = hbase, record
        self._dice = random.Random(f"rows {seed}")
        self._objects = max(8, alerts // rows.ALERTS_AN_OBJECT)
        # Up to `repair` with what the put itself takes.
        self._latest = int(repair * 1000 * 0.8)
        self._candid = 0
        # Rows that may be put again: those whose newest version bears a time that has passed.
        self._rows, self._lock = [], threading.Lock()
        self._under_way = threading.Semaphore(64)
        self._stop = threading.Event()
        self._thread = None
        self.failed = 0
        now = int(time.time() * 1000)
        self.past = (now - PAST[0], now - PAST[1])

    def put_past(self, count):
        """Rows that are there before anything starts, stamped in `past`."""
        begin, end = self.past
        for first in range(0, count, BATCH):
            batch = [self._new("history", self._dice.randrange(begin, end)) for _ in range(min(BATCH, count - first))]
            self._put(batch)
        self._wait()
        if self.failed:
            raise SystemExit("the rows of the past could not be put")

    def start(self, count, seconds):
        """Puts rows in the background: `count` in about so many seconds, then more at the same rate, until `stop` is called."""
        self._thread = threading.Thread(target=self._run, args=(count / seconds, count), daemon=True)
        self._thread.start()

    def stop(self):
        """Waits until as many rows as asked for are put and answered."""
        self._stop.set()
        self._thread.join()
        self._wait()

    def _run(self, rate, count):
        began, written = time.monotonic(), 0
        while written < count or not self._stop.is_set():
            batch = [self._version() for _ in range(self._dice.randint(1, 8))]
            # A batch puts a row once.
            batch = list({version.row: version for version in batch}.values())
            self._put(batch)
            written += len(batch)
            time.sleep(max(0, began + written / rate - time.monotonic()))

    def _version(self):
        """A version of a kind that is drawn."""
        now, draw = int(time.time() * 1000), self._dice.randrange(100)
        if draw < LATE:
            return self._new("late", now - self._dice.randrange(1000, self._latest))
        if draw < LATE + AHEAD:
            return self._new("ahead", now + self._dice.randrange(WRONG))
        if draw < LATE + AHEAD + BEHIND:
            return self._new("behind", now - self._dice.randrange(WRONG))
        if draw < LATE + AHEAD + BEHIND + AGAIN:
            with self._lock:
                at = self._dice.randrange(len(self._rows)) if self._rows else None
                row = None if at is None else self._take(at)
            if row is not None:
                self._candid += 1
                return Version(self._candid, row, "again", None)
        return self._new("normal", None)

    def _take(self, at):
        self._rows[at], self._rows[-1] = self._rows[-1], self._rows[at]
        return self._rows.pop()

    def _new(self, kind, stamped):
        self._candid += 1
        return Version(self._candid, rows.row_of(self._candid, self._dice, self._objects), kind, stamped)

    def _put(self, batch):
        for version in batch:
            version.began = int(time.time() * 1000)
            self._record.add(version)
        self._under_way.acquire()
        self._hbase.send(lambda kind, fields: self._answered(batch, kind, fields), "put", *self._fields(batch))

    def _fields(self, batch):
        return [field for version in batch for field in version.fields()]

    def _answered(self, batch, kind, fields):
        if kind == "ok":
            began, acknowledged = map(int, fields)
            self._record.answered(batch, began, acknowledged)
            with self._lock:
                self._rows += [version.row for version in batch if version.kind != "ahead"]
        else:
            self.failed += len(batch)
            self._record.answered(batch, batch[0].began, None)
        self._under_way.release()

    def _wait(self):
        """Until nothing is under way."""
        for _ in range(64):
            self._under_way.acquire()
        for _ in range(64):
            self._under_way.release()
