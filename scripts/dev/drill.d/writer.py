"""Puts rows at a steady rate by HBase's own client; each is an alert with a number of its own."""

import threading
import time

import rows

STEP = 0.1
OBJECTS = 5_000


class Writer:
    """Puts `rate` rows a second through `hbase`, each with a stamp of so many bytes, from `start` until `stop`."""

    def __init__(self, hbase, rate, stamp_bytes):
        self._hbase, self._rate, self._bytes = hbase, rate, stamp_bytes
        # The rows that were sent are numbered from 1 to `sent`; those that HBase refused are in `failed`.
        self.sent, self.acknowledged, self.failed = 0, 0, set()
        self._under_way = threading.Semaphore(64)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = None

    def start(self):
        """Starts in the background."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """Returns when all rows are answered."""
        self._stop.set()
        self._thread.join()
        for _ in range(64):
            self._under_way.acquire()
        for _ in range(64):
            self._under_way.release()

    def _run(self):
        began, first = time.monotonic(), self.sent
        while not self._stop.is_set():
            due = first + int((time.monotonic() - began) * self._rate)
            # After a pause of HBase, in portions.
            numbers = range(self.sent + 1, min(due, self.sent + 500) + 1)
            if numbers:
                self._put(numbers)
            time.sleep(STEP)

    def _put(self, numbers):
        self._under_way.acquire()
        self.sent = numbers[-1]
        fields = [field for number in numbers for field in self._fields(number)]
        self._hbase.send(lambda kind, _: self._answered(numbers, kind), "put", *fields)

    def _fields(self, number):
        row = f"ZTF{(number % OBJECTS * 40503) % 65536:04x}_{number:09d}"
        return row, "-", number, rows.object_of(row), rows.magpsf(number), self._bytes

    def _answered(self, numbers, kind):
        with self._lock:
            if kind == "ok":
                self.acknowledged += len(numbers)
            else:
                self.failed.update(numbers)
        self._under_way.release()
