"""Medians, one table, and what they say about fink."""

from statistics import median

from measure import CORES

TITLES = {
    "hbase-1": "Java client, 1 scan",
    "hbase-2": "Java client, 2 scans",
    "hbase-4": "Java client, 4 scans",
    "kafka": "Kafka's ProducerPerformance",
    "librdkafka": "librdkafka alone",
    "python-1": "Python pipeline, 1 process",
    "python-2": "Python pipeline, 2 processes",
    "spark": "Spark job, local[2], warm JVM",
    "fink": "fink",
}


def _parts(servers):
    """Processor seconds of the servers by kind: several gateways or brokers are one."""
    kinds = {"HBase": 0.0, "gateways": 0.0, "Kafka": 0.0}
    for name, seconds in servers.items():
        kind = "HBase" if name == "hbase" else "Kafka" if name.startswith("kafka") else "gateways"
        kinds[kind] += seconds
    return kinds


def medians(runs):
    """By contestant: alerts/s, CPU-ms an alert of its own and of the servers, peak memory, busy share of the machine."""
    by_name = {}
    for run in runs:
        by_name.setdefault(run.contestant, []).append(run)
    result = {}
    for name in TITLES:
        if name not in by_name:
            continue
        own = by_name[name]

        def middle(value, own=own):
            return median(value(run) for run in own)

        result[name] = {
            "alerts_per_second": middle(lambda run: run.rate),
            "slowest": min(run.rate for run in own),
            "fastest": max(run.rate for run in own),
            "others_share": middle(lambda run: run.usage.others / (CORES * run.usage.seconds)),
        }
        if not name.startswith("hbase"):
            result[name] |= {
                "cpu_ms": middle(lambda run: 1000 * run.usage.cpu_seconds / run.alerts),
                "servers_cpu_ms": {
                    kind: middle(lambda run, kind=kind: 1000 * _parts(run.usage.servers)[kind] / run.alerts)
                    for kind in ("HBase", "gateways", "Kafka")
                },
                "peak_mb": middle(lambda run: run.usage.peak_kb / 1024),
                "idle_share": middle(_idle),
            }
    return result


def _idle(run):
    usage = run.usage
    busy = usage.cpu_seconds + sum(usage.servers.values()) + usage.others
    return max(0.0, 1 - busy / (CORES * usage.seconds))


def aims(found, history):
    """fink against the others, as (what, measured, aim, met). A measured value without an aim is only told."""
    fink, rows = found.get("fink"), []
    if fink is None:
        return rows
    rate = fink["alerts_per_second"]

    def at_least(what, ratio, aim):
        rows.append((what, ratio, f">= {aim}" if aim else "", not aim or ratio >= aim))

    if "python-2" in found:
        aim = 4 if history == "avro" else 2.5
        at_least("alerts/s to Python with 2 processes", rate / found["python-2"]["alerts_per_second"], aim)
    if "spark" in found:
        aim = 1.6 if history == "text" else None
        at_least("alerts/s to the Spark job", rate / found["spark"]["alerts_per_second"], aim)
    read = max((found[name]["alerts_per_second"] for name in found if name.startswith("hbase")), default=None)
    for name, sent, aim in (("kafka", "K", None), ("librdkafka", "K'", 0.85 if history == "avro" else None)):
        if read and name in found:
            both = 1 / (1 / read + 1 / found[name]["alerts_per_second"])
            at_least(f"alerts/s to 1/(1/H + 1/{sent}) = {both:.0f}", rate / both, aim)
    if "librdkafka" in found:
        ratio = fink["cpu_ms"] / found["librdkafka"]["cpu_ms"]
        aim = "<= 1.3" if history == "avro" else ""
        rows.append(("CPU an alert to librdkafka alone", ratio, aim, not aim or ratio <= 1.3))
    rows.append(("peak memory, MB", fink["peak_mb"], "< 256", fink["peak_mb"] < 256))
    return rows


def table(found):
    head = ["", "alerts/s", "from - to", "CPU-ms", "HBase", "gateways", "Kafka", "idle", "others", "peak MB"]
    rows = [head]
    for name, one in found.items():
        row = [TITLES[name], f"{one['alerts_per_second']:.0f}", f"{one['slowest']:.0f} - {one['fastest']:.0f}"]
        if "cpu_ms" in one:
            row += [f"{one['cpu_ms']:.2f}", *(f"{ms:.2f}" for ms in one["servers_cpu_ms"].values())]
            row += [f"{one['idle_share']:.0%}", f"{one['others_share']:.0%}", f"{one['peak_mb']:.0f}"]
        else:
            row += ["", "", "", "", "", f"{one['others_share']:.0%}", ""]
        rows.append(row)
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def limit(one):
    """Which part takes most of the time where the machine has none left."""
    if one["idle_share"] > 0.15:
        return f"{one['idle_share']:.0%} of the processors' time was idle: waiting, not work, is the limit"
    shares = {"fink": one["cpu_ms"], **one["servers_cpu_ms"]}
    whole = sum(shares.values())
    parts = ", ".join(f"{kind} {ms / whole:.0%}" for kind, ms in sorted(shares.items(), key=lambda s: -s[1]))
    return f"the processors are busy, so they are the limit: {parts}"


def text(found, sizes, options, history):
    rows = aims(found, history)
    lines = [
        f"{options.alerts} alerts, {sizes.value} B of value and {sizes.key} B of key a message, history as "
        f"{history}; {CORES} cores shared by servers and client; medians of {options.rounds}.",
        "CPU-ms: processor time an alert, of the contestant and of the servers meanwhile. others: share of the machine "
        "that went to other programs.",
        "",
        table(found),
        "",
    ]
    for what, measured, aim, met in rows:
        judged = f"{'✔' if met else '✖'} {what}: {measured:.2f} (aim {aim})"
        lines.append(judged if aim else f"  {what}: {measured:.2f}")
    if "fink" in found:
        lines.append(f"What limits fink: {limit(found['fink'])}")
    return "\n".join(lines)


def as_json(found, runs, sizes, options, history):
    return {
        "alerts": options.alerts,
        "history": history,
        "key": options.key,
        "value_bytes": sizes.value,
        "key_bytes": sizes.key,
        "cores": CORES,
        "medians": found,
        "aims": [dict(zip(("what", "measured", "aim", "met"), row)) for row in aims(found, history)],
        "runs": [
            {
                "contestant": run.contestant,
                "alerts": run.alerts,
                "seconds": run.seconds,
                "whole_seconds": run.usage.seconds,
                "cpu_seconds": run.usage.cpu_seconds,
                "peak_kb": run.usage.peak_kb,
                "servers_cpu_seconds": run.usage.servers,
                "others_cpu_seconds": run.usage.others,
            }
            for run in runs
        ],
    }
