"""What happens when: drawn from a seed before anything starts, so that the same arguments give the same schedule."""

import random
from collections import Counter
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Times in seconds, and how much of each fault comes with one kill."""

    # distribution.overlap, repair and repair_every
    overlap: int
    repair: int
    repair_every: int
    # how long something is stopped by SIGSTOP
    pause: tuple
    # between a kill and the restart, of the service and of what runs beside it; and between two faults of one process
    down: tuple
    down_beside: tuple
    gap: tuple
    # between a kill of what runs beside the service, in a commit, and its restart; the service is killed meanwhile
    both_down: tuple
    # longer than the live lane makes good: the history lane follows
    long_down: tuple


SHORT = Scale(overlap=5, repair=40, repair_every=4, pause=(5, 10), down=(0, 2), down_beside=(0, 6), both_down=(8, 10), gap=(0.5, 5), long_down=(55, 60))
FULL = Scale(overlap=10, repair=70, repair_every=10, pause=(5, 40), down=(0, 4), down_beside=(0, 30), both_down=(12, 40), gap=(0.5, 8), long_down=(95, 130))


@dataclass(frozen=True)
class Event:
    """One fault: `after` seconds since the one before it in its lane has ended."""

    after: float
    kind: str
    # what it needs, such as seconds, a number or a position
    details: tuple = ()

    def seconds(self):
        """About how long it takes, with the wait before."""
        return self.after + sum(value for value in self.details if isinstance(value, float) and value >= 1)


@dataclass(frozen=True)
class Schedule:
    """The events of each lane, in order, and about how long all of them and those of the job take, in seconds."""

    lanes: dict
    seconds: float
    job_seconds: float

    def totals(self):
        """How many of each kind, by lane and kind."""
        return Counter((lane, event.kind) for lane, events in self.lanes.items() for event in events)


# The session of a region server in ZooKeeper (scripts/cluster.d/hbase.sh), s: when it ends, the master gives its regions to others. One that
# is stopped for longer goes on writing to its log for a moment when it wakes up: only HDFS can forbid that.
SESSION = 20
# How long HBase's servers are down or stopped, by kind.
SERVERS = {"kill": (0.5, 8), "long kill": (SESSION + 3, SESSION + 10), "kill meta": (0.5, 8), "kill master": (0.5, 20), "pause": (3, SESSION * 0.4)}


def draw(seed, kills, brokers, region_servers, scale, is_short):
    """`kills` is how often fink is killed; all else follows from it."""
    dice = random.Random(f"{seed} {kills} {brokers} {region_servers}")
    some = lambda count, least=1: max(least, round(count))
    long_kills = 0 if is_short else some(kills / 50)
    of_beside, of_job = some(kills * 0.2, 2), some(kills * 0.2, 2)
    both_of_beside, both_of_job = some(kills / 15), some(kills / 30)
    # One of both is the service's.
    of_service = max(2, kills - of_beside - of_job - long_kills - 2 * (both_of_beside + both_of_job))
    counts = {
        "service": {
            **_halves(of_service),
            "long kill": long_kills,
            "take over": some(kills / 7),
            "pause": some(kills / 12),
        },
        "beside": {**_halves(of_beside), "kill both": both_of_beside, "take over": some(kills / 14), "pause": some(kills / 25)},
        "job": {**_halves(of_job), "kill both": both_of_job, "take over": some(kills / 20)},
    }
    downs = {"service": scale.down, "beside": scale.down_beside, "job": scale.down_beside}
    lanes = {lane: _fink(dice, kinds, scale, downs[lane]) for lane, kinds in counts.items()}
    seconds = max(_seconds(events) for events in lanes.values())
    # As long as the service's faults; a job ends by itself, so its faults come while it runs.
    spare = (seconds - _seconds(lanes["beside"])) / len(lanes["beside"])
    lanes["beside"] = [replace(event, after=event.after + max(0, spare)) for event in lanes["beside"]]
    others = {
        "gateways": {"kill": some(kills / 6), "pause": some(kills / 8)},
        "brokers": {"kill": some(kills / 6), "pause": some(kills / 8)},
        "regions": {"split": some(kills / 4, 2), "merge": some(kills / 6, 2), "reassign": some(kills / 4, 2)},
    }
    if region_servers > 1:
        others["regions"]["move"] = some(kills / 4, 2)
        others["servers"] = {"kill": some(kills / 10), "long kill": some(kills / 20), "kill meta": some(kills / 13), "kill master": some(kills / 20), "pause": some(kills / 20)}
    for lane, kinds in others.items():
        # The table has three gateways: two for Thrift 2 that fink uses.
        lanes[lane] = _servers(dice, kinds, {"gateways": 2, "brokers": brokers}.get(lane), scale, seconds)
    return Schedule(lanes, seconds, _seconds(lanes["job"]))


def _halves(kills):
    """Half of the kills come at any moment, half in the moment between a checkpoint's record and its commit."""
    return {"kill": kills - kills // 2, "kill in commit": kills // 2}


def _fink(dice, kinds, scale, down):
    """The faults of one of fink's processes; `down` is between a kill and the restart."""
    events = []
    for kind in _shuffled(dice, kinds):
        after = dice.uniform(*scale.gap)
        if kind == "take over":
            # A second copy starts while the first one is stopped, and is at work when it wakes up.
            pause = dice.uniform(*scale.pause)
            details = (pause, dice.uniform(0.1, 0.5) * pause)
        elif kind == "pause":
            details = (dice.uniform(*scale.pause),)
        elif kind == "kill both":
            # While the service is killed and reads its checkpoint, the other one is down.
            details = (dice.uniform(*scale.both_down),)
        else:
            details = (dice.uniform(*(scale.long_down if kind == "long kill" else down)),)
        events.append(Event(after, kind, details))
    return events


def _servers(dice, kinds, count, scale, seconds):
    """Faults of gateways, brokers, regions or HBase's servers, spread over `seconds`. Of `count` that are alike the first detail says which."""
    order = _shuffled(dice, kinds)
    events, gap = [], seconds / (len(order) + 1)
    for kind in order:
        if kind == "reassign":
            details = (dice.random(), dice.randrange(100, 4000))
        elif kind == "move":
            details = (dice.random(), dice.random())
        elif kind in ("split", "merge"):
            details = (dice.random(),)
        elif count is None:
            details = (dice.uniform(*SERVERS[kind]),)
        else:
            details = (dice.randrange(count) + 1, dice.uniform(*((0.5, 8) if kind == "kill" else scale.pause)))
        events.append(Event(gap * dice.uniform(0.4, 1.0), kind, details))
    return events


def _seconds(events):
    return sum(event.seconds() for event in events)


def _shuffled(dice, kinds):
    order = [kind for kind, count in kinds.items() for _ in range(count)]
    dice.shuffle(order)
    return order
