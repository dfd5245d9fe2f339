"""The judge of whole chains: it sees what is lost, skipped and doubled, and what was said to be lost."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.chain.checker import Found
from tests.faults.whole import Held, Judgement, judge, unreported

BATCHES = [("line", 1, seq) for seq in (1, 2, 3)]
READINGS = 2
TARGET = "customer"


def found(rejected: int = 0) -> Found:
    """Three batches of two readings; of the first so many are rejected."""
    return Found(
        times=Counter(BATCHES),
        readings=dict.fromkeys(BATCHES, READINGS),
        rejected={key: rejected if key == BATCHES[0] else 0 for key in BATCHES},
        before={key: (key[2] - 1) * READINGS for key in BATCHES},
    )


def held() -> Held:
    """All is well: one reading rejected, the others in the target."""
    target = Counter((*key, index) for key in BATCHES for index in range(READINGS))
    del target[*BATCHES[0], 0]
    return Held(
        raw=found(),
        clean=found(rejected=1),
        letters=Counter({(*BATCHES[0], "speed"): 1}),
        windows={"telemetry.1s": Counter({("asset", 1, 0): 1})},
        targets={TARGET: target},
    )


def before() -> dict[Any, int]:
    """What stood on the log."""
    return dict.fromkeys(BATCHES, READINGS)


def judged(spoil: Callable[[Held], object], claimed: dict[int, int] | None = None) -> Judgement:
    """The judgement of a chain that was well before it was spoiled."""
    at_rest = held()
    spoil(at_rest)
    return judge(at_rest, before(), claimed)


def forget(one: Found, *keys: tuple[str, int, int]) -> None:
    """Take batches out."""
    for key in keys:
        del one.times[key], one.readings[key], one.rejected[key], one.before[key]


def test_a_chain_where_all_is_well_is_clean() -> None:
    seen = judged(lambda _: None, {1: 6})
    assert (seen.lost, seen.skipped, seen.doubled, seen.breaches) == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda one: one.raw.times.update([BATCHES[1]]), "I4: telemetry.raw holds records more than once"),
        (lambda one: one.clean.times.update([BATCHES[1]]), "I4: telemetry.clean holds records more than once"),
        (lambda one: one.letters.update([(*BATCHES[0], "speed")]), "I4: dlq.telemetry holds records more than once"),
        (lambda one: one.windows["telemetry.1s"].update([("asset", 1, 0)]), "I4: telemetry.1s holds records more than"),
        (lambda one: one.targets[TARGET].update([(*BATCHES[1], 0)]), f"I4: {TARGET} holds readings more than once"),
        (lambda one: one.targets[TARGET].update([(*BATCHES[0], 0)]), f"I4: {TARGET} has readings of a batch that it"),
        (lambda one: one.targets[TARGET].pop((*BATCHES[1], 0)), f"I1: {TARGET} does not have readings"),
        (lambda one: forget(one.clean, BATCHES[1]), "I1: batches of telemetry.raw are not in telemetry.clean"),
        (lambda one: forget(one.raw, BATCHES[1]), "I1: batches of telemetry.raw have a hole before them"),
        (lambda one: one.clean.readings.update({BATCHES[1]: 1}), "I1: clean batches count other readings"),
        (lambda one: one.letters.update([(*BATCHES[1], "speed")]), "I1: readings stand in telemetry.clean and in the"),
    ],
)
def test_what_a_chain_may_never_show_is_said(spoil: Callable[[Held], object], says: str) -> None:
    assert says in "; ".join(judged(spoil).breaches)


def test_a_tail_that_the_log_has_no_more_is_lost_and_must_have_been_reported() -> None:
    def cut(one: Held) -> None:
        forget(one.raw, BATCHES[2])
        forget(one.clean, BATCHES[2])

    seen = judged(cut)
    assert (seen.lost, seen.skipped, seen.breaches) == (READINGS, 0, [])
    assert unreported(seen, READINGS) == []
    assert "I2" in unreported(seen, READINGS - 1)[0]


def test_a_rejected_reading_whose_dead_letter_is_gone_is_lost() -> None:
    assert judged(lambda one: one.letters.clear()).lost == 1


def test_what_the_adapter_was_told_is_on_the_log_is_lost_when_it_is_not() -> None:
    assert judged(lambda _: None, {1: 7}).lost == 1
