"""Frames that a line or a hostile peer may bring: mutated good ones, from a seed."""

import random
import resource
from collections.abc import Callable, Iterator, Sequence

FEW, MANY = 3_000, 1_000_000
# What a mutation campaign may leave behind: allocator slack, no growth with the number of frames.
SLACK_KIBIBYTES = 8_192


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
    """Feed so many mutations; what `take` raises fails the test, and so does memory that grows with the count."""
    for one in mutations(good, count // 10):
        take(one)
    settled = peak_kibibytes()
    for one in mutations(good, count - count // 10, seed=2):
        take(one)
    assert peak_kibibytes() - settled < SLACK_KIBIBYTES
