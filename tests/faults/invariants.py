"""The independent judge: what was acknowledged before the cut, against what stands on the log after recovery.

It knows no component, no ledger and no broker: two lists go in, counts come out. The letters are those of the
invariants: I3 nothing acknowledged is missing, I4 each once and in order, I5 offsets without a hole.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# A plant that had fallen silent before the cut would prove nothing.
MOST_QUIET_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """One numbered record that the log acknowledged, and when its sender learned of it (monotonic)."""

    number: int
    offset: int
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One numbered record that a plain reader found."""

    number: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a topic may lose in one cut: records, and seconds since the oldest lost one was acknowledged."""

    topic: str
    lost: int | None = None
    window_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one cut did to one topic. All counts are records."""

    acknowledged: int
    lost: int
    window_seconds: float
    torn: int
    doubled: int
    disordered: int
    missing_offsets: int
    moved: int
    quiet_seconds: float


def judge(
    acknowledged: Sequence[Acknowledged], found: Sequence[Standing], *, began_seconds: float, ended_seconds: float
) -> Verdict:
    """Judge a cut at some instant between `began` and `ended`.

    Lost is what was acknowledged before `began`, so that nobody is accused of what came after the cut; the window
    runs to `ended`, so that it is never told too short. `torn`: lost although a later one stands. `moved`: stands at
    another offset than was acknowledged. `quiet`: from the last acknowledgement to the cut.
    """
    before = [one for one in acknowledged if one.at_seconds <= began_seconds]
    offsets = {one.number: one.offset for one in found}
    lost = [one for one in before if one.number not in offsets]
    newest = max(offsets, default=0)
    return Verdict(
        acknowledged=len(before),
        lost=len(lost),
        window_seconds=ended_seconds - min((one.at_seconds for one in lost), default=ended_seconds),
        torn=sum(one.number < newest for one in lost),
        doubled=len(found) - len(offsets),
        disordered=sum(b.number < a.number for a, b in pairwise(found)),
        missing_offsets=sum(b.offset - a.offset - 1 for a, b in pairwise(found)),
        moved=sum(offsets.get(one.number, one.offset) != one.offset for one in before),
        quiet_seconds=began_seconds - max((one.at_seconds for one in before), default=float("-inf")),
    )


def breaches(verdict: Verdict, bound: Bound) -> list[str]:
    """What of a verdict no topic may show, and what this one may not; empty where all is well."""
    seen = {
        "I4: records stand more than once": verdict.doubled,
        "I4: records stand out of order": verdict.disordered,
        "I5: offsets are missing inside the log": verdict.missing_offsets,
        "I5: lost records have later ones behind them": verdict.torn,
        "I5: records stand at other offsets than were acknowledged": verdict.moved,
    }
    found = [f"{bound.topic}: {text} ({count})" for text, count in seen.items() if count]
    if bound.lost is not None and verdict.lost > bound.lost:
        found.append(f"{bound.topic}: I3: {verdict.lost} acknowledged records are lost, {bound.lost} allowed")
    if bound.window_seconds is not None and verdict.window_seconds > bound.window_seconds:
        window = f"{verdict.window_seconds:.3f} s, {bound.window_seconds} s allowed"
        found.append(f"{bound.topic}: F3: what was acknowledged is lost as far back as {window}")
    if verdict.quiet_seconds > MOST_QUIET_SECONDS:
        found.append(f"{bound.topic}: nothing was written for {verdict.quiet_seconds:.1f} s before the cut")
    return found


def skipped(acknowledged: Iterable[Acknowledged], read: Iterable[Standing]) -> list[int]:
    """Records that were acknowledged and that a reader, who has come to the end, never got; by number."""
    got = Counter(one.number for one in read)
    return sorted(one.number for one in acknowledged if not got[one.number])
