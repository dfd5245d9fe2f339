"""Frames that a line or a hostile peer may bring: mutated good ones, from a seed."""

import json
import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

# How many `tests.faults.frames` asks for, and the file to which it has what was seen written.
COUNT, SEEN = "STREAMFORGE_FRAMES", "STREAMFORGE_FRAMES_SEEN"
FEW, MANY = 3_000, int(os.environ.get(COUNT, "1000000"))
# For a parameter `count`: a few in each run of the suite, many on request.
FEW_AND_MANY = (FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]))
# What a mutation campaign may leave behind: allocator slack, no growth with the number of frames.
SLACK_KIBIBYTES = 8_192
# A frame that takes the processor for longer is as good as one that never ends.
STUCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Milled:
    """What a campaign saw; memory is the most that its process has had, after a tenth of the frames and at the end."""

    frames: int
    stuck: int
    slowest_seconds: float
    before_kibibytes: int
    after_kibibytes: int

    @property
    def has_grown(self) -> bool:
        """Whether memory grew with the number of frames."""
        return self.after_kibibytes - self.before_kibibytes >= SLACK_KIBIBYTES


def mutations(good: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """So many frames, each with some bytes changed, dropped, doubled, swapped for another's, or cut."""
    chance = random.Random(seed)
    for _ in range(count):
        made = bytearray(chance.choice(good))
        for _ in range(chance.randint(0, 3)):
            _mutate(made, chance, good)
        yield bytes(made)


def _mutate(made: bytearray, chance: random.Random, good: Sequence[bytes]) -> None:
    at, what = chance.randrange(len(made) + 1), chance.randrange(6)
    if what == 0:
        made[at : at + 1] = bytes([chance.randrange(256)])
    elif what == 1:
        del made[at : at + chance.randint(1, 4)]
    elif what == 2:
        made[at:at] = chance.randbytes(chance.randint(1, 8))
    elif what == 3 and at < len(made):
        made[at] ^= 1 << chance.randrange(8)
    elif what == 4:
        other = chance.choice(good)
        made[at:] = other[min(at, len(other)) :]
    else:
        del made[at:]


def peak_kibibytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def campaign(good: Sequence[bytes], count: int, take: Callable[[bytes], None]) -> None:
    """Feed so many mutations; what `take` raises fails the test, and so does a frame that takes too long.

    So does memory that grows with the count.
    """
    first, stuck_first = _feed(mutations(good, count // 10), take)
    settled = peak_kibibytes()
    rest, stuck_rest = _feed(mutations(good, count - count // 10, seed=2), take)
    seen = Milled(
        frames=count,
        stuck=stuck_first + stuck_rest,
        slowest_seconds=max(first, rest),
        before_kibibytes=settled,
        after_kibibytes=peak_kibibytes(),
    )
    if SEEN in os.environ:
        with Path(os.environ[SEEN]).open("a") as file:
            file.write(json.dumps(asdict(seen)) + "\n")
    assert seen.stuck == 0
    assert not seen.has_grown


def _feed(frames: Iterator[bytes], take: Callable[[bytes], None]) -> tuple[float, int]:
    """The most seconds of processor time that a frame took, and how many took too long."""
    slowest, stuck = 0.0, 0
    for one in frames:
        began = time.thread_time()
        take(one)
        took = time.thread_time() - began
        slowest, stuck = max(slowest, took), stuck + (took > STUCK_SECONDS)
    return slowest, stuck
