"""What is printed in the end."""

NAMED = 10


def totals(schedule, faults, keepers):
    """What was done, by lane and kind, beside what was to be done."""
    lines = ["faults      kind            planned  done"]
    for (lane, kind), planned in sorted(schedule.totals().items()):
        done, missed = faults.done[lane, kind], faults.missed[lane, kind]
        lines.append(f"{lane:10}  {kind:14}  {planned:7}  {done:4}{f'  ({missed} met nothing or came too late)' if missed else ''}")
    killed = sum(keeper.killed for keeper in keepers.values())
    fenced = sum(keeper.fenced for keeper in keepers.values())
    fenced_at_start = sum(keeper.fenced_at_start for keeper in keepers.values())
    lines.append(f"fink killed {killed} times, {faults.also_killed} of them the service with \"kill both\"; {fenced} processes woke up and ended fenced; {fenced_at_start} ended fenced before they had begun")
    return "\n".join(lines)


def streams(found):
    """A line for each stream."""
    lines = ["stream   messages  required    lost  duplicated  unexpected  replaced since  too late  out of order"]
    for one in found:
        lines.append(
            f"{one.stream:7}  {one.messages:8}  {one.required:8}  {len(one.lost):6}  {len(one.duplicated):10}  {len(one.unexpected):10}"
            f"  {one.replaced:14}  {one.too_late:8}  {len(one.out_of_order):12}"
        )
    for one in found:
        lines += [f"{one.stream}: out of order: {words}" for words in one.out_of_order[:NAMED]]
    return "\n".join(lines)


def first(words):
    """The first of a list, and how many more there are."""
    return words[:NAMED] + ([f"and {len(words) - NAMED} more"] if len(words) > NAMED else [])


def faults_found(found, others):
    """The first of everything that is wrong, in words; empty where nothing is."""
    lines = []
    for one in found:
        for what in ("lost", "duplicated", "unexpected"):
            lines += [f"{one.stream}: {what}: {words}" for words in first(getattr(one, what))]
    return "\n".join(lines + others)
