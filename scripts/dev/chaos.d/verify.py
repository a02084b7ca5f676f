"""What each stream must hold, by the record of the writers and by what HBase holds, and how that differs from what it does hold.

Every version of a row that was put may be published, once. Required is the newest version of each row, as HBase holds it in the end, unless
it became visible later than `repair` after its timestamp. Older versions were there for a while only: a row that is put again before it was
read goes out once.
"""

from dataclasses import dataclass, field

import rows
from configuration import BRIGHT, PLAIN

# Visible so soon after its timestamp an alert is in time, ms.
IN_TIME = 1_000


@dataclass
class Differences:
    """What is wrong with one stream, in words, and its figures."""

    stream: str
    messages: int = 0
    required: int = 0
    lost: list = field(default_factory=list)
    duplicated: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)
    # versions published that were replaced later on
    replaced: int = 0
    # versions that became visible too late to be required, and how many of them were published all the same
    too_late: int = 0
    # alerts in time that came after a newer one of their object
    out_of_order: list = field(default_factory=list)

    def is_wrong(self):
        """Whether the promise was broken."""
        return bool(self.lost or self.duplicated or self.unexpected)


@dataclass(frozen=True)
class Stream:
    """What a stream takes."""

    name: str
    # which candids
    takes: object
    # timestamps from here on, and before there, ms since 1970
    begin: int = 0
    end: int = 1 << 62
    # whether it carries all columns
    whole: bool = True


def streams(past, began, plain=False):
    """The streams of configuration.py: the job's window is `past`, and the service of one stream began at `began`."""
    return [
        *([Stream(PLAIN, lambda candid: True)] if plain else []),
        Stream("all", lambda candid: True),
        Stream("bright", lambda candid: rows.magpsf(candid) < BRIGHT, whole=False),
        Stream("third", lambda candid: candid % 3 == 0),
        Stream("job", lambda candid: True, *past),
        Stream("beside", lambda candid: True, began),
    ]


def required(stream, versions, newest, repair):
    """The versions that the stream must hold, by candid with their timestamps; and how many came too late to be required."""
    wanted, too_late = {}, set()
    for time, candid in newest.values():
        if not (stream.begin <= time < stream.end and stream.takes(candid)):
            continue
        version = versions[candid]
        delay = version.delay(time)
        # A bounded job and the service's first reading of the past find what was there before they began.
        if version.kind == "history" or (delay is not None and delay <= repair * 1000) or version.stamped is None:
            wanted[candid] = time
        else:
            too_late.add(candid)
    return wanted, too_late


def lost_by_hbase(versions, newest):
    """The versions that HBase acknowledged and does not hold, nor a newer one of their rows, in words. It is what the streams are compared with."""
    lost = []
    for version in versions.values():
        if version.acknowledged is None:
            continue
        time, candid = newest.get(version.row, (0, None))
        if candid != version.candid and time < (version.began if version.stamped is None else version.stamped):
            lost.append(f"{version.row}, candid {version.candid} ({version.kind}), acknowledged at {version.acknowledged}: HBase has lost it")
    return lost


def compare(stream, versions, newest, messages, repair):
    """The differences of one stream."""
    found = Differences(stream.name, messages=len(messages))
    wanted, too_late = required(stream, versions, newest, repair)
    found.required, found.too_late = len(wanted), len(too_late)
    seen = {}
    for message in messages:
        candid = message.alert["candid"]
        where = f"candid {candid} with fink-timestamp {message.time}, partition {message.partition}, offset {message.offset}"
        reason = _unexpected(stream, versions.get(candid), message)
        if reason:
            found.unexpected.append(f"{where}: {reason}")
        elif (before := seen.get((candid, message.time))) is not None:
            row = versions[candid].row
            found.duplicated.append(f"{row}, {where}: also at partition {before.partition}, offset {before.offset}")
        else:
            seen[candid, message.time] = message
            found.replaced += wanted.get(candid) != message.time and candid not in too_late
    for candid, time in wanted.items():
        if (candid, time) not in seen:
            version = versions[candid]
            late = "not known" if version.delay(time) is None else f"{version.delay(time)} ms"
            found.lost.append(f"{version.row}, candid {candid} stamped {time} ({version.kind}, visible after {late})")
    found.out_of_order = _out_of_order(versions, seen.values())
    return found


def _unexpected(stream, version, message):
    """What is wrong with a message by itself."""
    alert = message.alert
    if version is None:
        return "no such alert was put"
    if not version.may_bear(message.time):
        return f"HBase cannot have stamped it so: {version}"
    if not stream.takes(version.candid):
        return "the stream does not take it"
    if not stream.begin <= message.time < stream.end:
        return f"its time is not in [{stream.begin}, {stream.end})"
    if alert["objectId"] != rows.object_of(version.row) or alert["magpsf"] != rows.magpsf(version.candid):
        return f"other values were put: {alert['objectId']}, {alert['magpsf']}"
    if stream.whole and alert["stamp"] != rows.stamp(version.candid):
        return f"its stamp has {len(alert['stamp'] or b'')} bytes, not {len(rows.stamp(version.candid))}"
    return None


def _out_of_order(versions, messages):
    """The alerts that were visible in time and came after a newer one of their object."""
    newest, found = {}, []
    for message in messages:
        version = versions[message.alert["candid"]]
        name, delay = rows.object_of(version.row), version.delay(message.time)
        before = newest.get(name)
        if before is not None and before.time > message.time and version.kind != "history" and delay is not None and delay <= IN_TIME:
            found.append(
                f"{version.row}, candid {version.candid} stamped {message.time} ({version.kind}, visible after {delay} ms), partition"
                f" {message.partition}, offset {message.offset}: {before.time - message.time} ms older than candid {before.alert['candid']}"
                f" at offset {before.offset}"
            )
        if before is None or before.time < message.time:
            newest[name] = message
    return found
