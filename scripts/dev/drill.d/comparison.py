"""Compares the topics of services with the rows that HBase has in the end."""

from service import PARTITIONS

from configuration import BRIGHT
from received import Reader
from rows import magpsf

# How long an abandoned transaction may stay open, in seconds.
OPEN = 90


def compare(hbase, writer, servers, topics):
    """Prints how many alerts each topic lost or has twice, and returns what is wrong. Each row must be once on each topic that takes it."""
    wrong = []
    newest = {candid: time for time, candid in hbase.scan().values()}
    missing = writer.sent - len(newest)
    print(f"{writer.sent} alerts put, {len(writer.failed)} refused by HBase, {len(newest)} in HBase")
    if missing > len(writer.failed):
        print(f"  {missing - len(writer.failed)} acknowledged rows are not in HBase any more: HBase has lost them")
    reader = Reader(servers, topics, PARTITIONS)
    if undecided := reader.undecided(OPEN):
        wrong.append(f"open transactions: {', '.join(undecided)}")
    for topic, messages in reader.everything().items():
        expected = {(candid, at) for candid, at in newest.items() if not topic.endswith("bright") or magpsf(candid) < BRIGHT}
        seen = [(message.alert["candid"], message.time) for message in messages]
        versions = set(seen)
        # HBase's client repeats a put that was not answered: then a row has two versions, and both may be published.
        replaced = sum(1 for candid, at in versions if newest.get(candid, at) != at)
        lost, twice = expected - versions, len(seen) - len(versions)
        words = f"{topic}: {len(expected)} expected, {len(seen)} messages: lost {len(lost)}, duplicated {twice}, replaced versions {replaced}"
        print(f"  {words}")
        if lost or twice:
            wrong.append(f"{words}; {sorted(lost)[:5]}")
    reader.close()
    return wrong
