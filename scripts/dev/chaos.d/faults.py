"""Faults, one lane beside the other, each in the order and at about the times of the schedule."""

import threading
import time
from collections import Counter

from hbase import RequestFailed

# Another region is tried where HBase refuses one: halves of a recent split can neither be split nor merged for a while.
REGIONS = 8
# As a multiple of the planned time.
LATEST = 2
STEP = 0.13
# Within so many seconds the service commits something.
COMMITS_OF_SERVICE = 3


class Faults:
    """Runs the lanes of a schedule. `done` counts what was done, `missed` what met nothing or came too late; both by lane and kind."""

    def __init__(self, schedule, keepers, parts, hbase, commits, say):
        self._keepers, self._parts, self._hbase, self._commits, self._say = keepers, parts, hbase, commits, say
        self.done, self.missed, self.failures = Counter(), Counter(), []
        # How often the service was killed beside another process.
        self.also_killed = 0
        # On a busy machine everything takes longer; what would come much later than planned is left out.
        self._end = time.monotonic() + LATEST * schedule.seconds
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(lane, events), daemon=True) for lane, events in schedule.lanes.items()
        ]

    def start(self):
        """Starts all lanes."""
        for thread in self._threads:
            thread.start()

    def wait(self):
        """Until all lanes have come to their end."""
        for thread in self._threads:
            thread.join()

    def _run(self, lane, events):
        for event in events:
            time.sleep(min(event.after, max(0, self._end - time.monotonic())))
            if time.monotonic() > self._end:
                with self._lock:
                    self.missed[lane, event.kind] += 1
                continue
            try:
                met = self._act(lane, event)
            except RequestFailed as refused:
                self._say(f"{lane}: {event.kind}: {refused}")
                met = False
            except Exception as error:
                with self._lock:
                    self.failures.append(f"{lane}: {event.kind}: {error}")
                return
            self._say(f"{lane}: {event.kind} {event.details}{'' if met else ': met nothing'}")
            with self._lock:
                (self.done if met else self.missed)[lane, event.kind] += 1

    def _act(self, lane, event):
        details = event.details
        if lane in self._keepers:
            keeper = self._keepers[lane]
            in_commit = lambda: self._commits.await_one(lane)
            if event.kind == "kill in commit":
                return keeper.kill(*details, in_commit)
            if event.kind == "kill both":
                return keeper.kill(*details, in_commit, self._kill_service)
            act = {"kill": keeper.kill, "long kill": keeper.kill, "pause": keeper.pause, "take over": keeper.take_over}
            return act[event.kind](*details)
        if lane == "regions":
            return self._region(event.kind, *details)
        if lane == "servers":
            return self._server(event.kind, *details)
        part = f"{'thrift2' if lane == 'gateways' else 'kafka'}-{details[0]}"
        return {"kill": self._parts.kill, "pause": self._parts.pause}[event.kind](part, details[1])

    def _kill_service(self):
        """Its last commits are after the open transaction of the process that was just killed: it must read them all the same."""
        time.sleep(COMMITS_OF_SERVICE)
        met = self._keepers["service"].kill(0)
        with self._lock:
            self.also_killed += met

    def _server(self, kind, seconds):
        """A fault of a region server or of the master."""
        self._parts.start_ended()
        if kind == "kill master":
            return self._parts.kill("hbase-master", seconds)
        part = self._parts.region_server("meta" if kind == "kill meta" else "busiest")
        return (self._parts.pause if kind == "pause" else self._parts.kill)(part, seconds)

    def _region(self, kind, position, *more):
        for attempt in range(REGIONS):
            try:
                self._hbase.ask(kind, (position + attempt * STEP) % 1, *more)
                return True
            except RequestFailed as refused:
                last = refused
                time.sleep(0.5)
        raise last
