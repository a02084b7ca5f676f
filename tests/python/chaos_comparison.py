"""That scripts/dev/chaos finds each kind of mistake in a stream, and nothing where there is none; and that a seed gives one schedule."""

import sys
from pathlib import Path

scripts = Path(__file__).resolve().parents[2] / "scripts" / "dev"
sys.path[:0] = [str(scripts / "chaos.d"), str(scripts / "bench.d")]

import rows
import schedule
import verify
from received import Message
from rows import Version

REPAIR = 60
# ms since 1970
NOW = 1_700_000_000_000
ALL = verify.streams((0, 1), 0)[0]


def version(candid, row, kind="normal", stamped=None):
    return Version(candid, row, kind, stamped, NOW + candid, NOW + candid + 5)


def message(version, time, offset, **other):
    alert = {"candid": version.candid, "objectId": rows.object_of(version.row), "magpsf": rows.magpsf(version.candid)}
    return Message(0, offset, time, {**alert, "stamp": rows.stamp(version.candid), **other})


put = {candid: version(candid, f"ZTF0001_{candid:09d}") for candid in range(1, 6)}
# Put again; stamped too far back to be required.
put[6] = version(6, put[5].row, "again")
put[7] = version(7, "ZTF0001_000000007", "late", NOW - REPAIR * 1000)
time_of = {candid: one.stamped or one.began + 1 for candid, one in put.items()}
newest = {one.row: (time_of[candid], candid) for candid, one in put.items() if candid != 5}


def compare(*messages):
    return verify.compare(ALL, put, newest, messages, REPAIR)


right = [message(put[candid], time_of[candid], candid) for candid in (1, 2, 3, 4, 5, 6)]
found = compare(*right)
assert not found.is_wrong() and (found.required, found.replaced, found.too_late, len(found.out_of_order)) == (5, 1, 1, 0), found
# What was replaced need not be there, what came too late may be there.
assert not compare(*right[:4], right[5]).is_wrong()
assert not compare(*right, message(put[7], time_of[7], 9)).is_wrong()

found = compare(*right[1:])
assert len(found.lost) == 1 and put[1].row in found.lost[0] and not found.duplicated and not found.unexpected, found
found = compare(*right, message(put[5], time_of[5], 9))
assert len(found.duplicated) == 1 and put[5].row in found.duplicated[0] and not found.lost and not found.unexpected, found
for wrong in (
    message(version(99, "ZTF0001_000000099"), NOW + 100, 9),
    message(put[7], time_of[7] + 1, 9),
    message(put[7], time_of[7], 9, magpsf=1.0),
    message(put[7], time_of[7], 9, stamp=b""),
):
    found = compare(*right, wrong)
    assert len(found.unexpected) == 1 and not found.lost and not found.duplicated, found
assert len(compare(right[1], right[0], *right[2:]).out_of_order) == 1
bright = verify.streams((0, 1), 0)[1]
assert verify.compare(bright, put, newest, right, REPAIR).unexpected

drawn = [schedule.draw(seed, 30, 3, 3, schedule.FULL, False) for seed in (1, 1, 2)]
assert drawn[0] == drawn[1] != drawn[2]
