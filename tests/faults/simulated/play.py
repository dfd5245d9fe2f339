"""`play(seed, first, count)`: many random schedules; one that fails is made as short as it fails, and told."""

import sys
from collections.abc import Iterator

from tests.faults.seen import Seen
from tests.faults.simulated.faults import Fault, draw_schedule
from tests.faults.simulated.schedule import Played, play_one

FAULT = "random schedule, simulated broker"


def play(seed: str, first: int, count: int) -> Iterator[Seen]:
    """The schedules of a seed from number `first` on, one `Seen` each.

    A failing one is made as short as it fails, and told on standard error.
    """
    for number in range(first, first + count):
        one = f"{seed}-{number}"
        played = play_one(one, draw_schedule(one))
        if played.breaches:
            print(told(one, shrink(one, played)), file=sys.stderr, flush=True)
        yield seen(seed, number, played)


def shrink(seed: str, failing: Played) -> Played:
    """Leave out fault by fault as long as it still fails."""
    shortest = failing
    for fault in failing.faults:
        fewer = tuple(one for one in shortest.faults if one is not fault)
        played = play_one(seed, fewer)
        if played.breaches:
            shortest = played
    return shortest


def told(seed: str, played: Played) -> str:
    """A failing schedule in words."""
    return "\n".join(
        [f"schedule {seed}", *map(_line, played.faults), *(f"  -> {text}" for text in played.breaches[:5])]
    )


def _line(fault: Fault) -> str:
    return f"  {fault}"


def seen(seed: str, number: int, played: Played) -> Seen:
    """A schedule as the campaigns note it."""
    verdict = played.verdict
    return Seen(
        fault=FAULT,
        seed=seed,
        number=number,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        doubled=verdict.doubled,
        is_reported=verdict.lost <= verdict.reported_at_most,
        recovery_seconds=played.rest_seconds,
        figures={
            "faults": len(played.faults),
            "cuts": verdict.cuts,
            "evicted_readings": verdict.evicted,
            "reported_readings_at_most": verdict.reported_at_most,
            "dead_letters_torn": verdict.letters_torn,
        },
        breaches=list(played.breaches),
    )
