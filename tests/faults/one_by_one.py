"""Faults that are lists of cases, counted as a campaign does: number n is case n of the list, then from the front."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.faults import announced, clock_steps, device_flushes, full_disk, slow_sync
from tests.faults.rig import Rig, rig
from tests.faults.seen import Seen

Case = TypeVar("Case")
Play = Callable[[str, int, int], Iterator[Seen]]


def counted(play: Callable[[str, Case], Iterator[Seen]], cases: Sequence[Case]) -> Play:
    """`play` plays one case by a seed; each time round the list has a seed of its own."""

    def numbered(seed: str, first: int, count: int) -> Iterator[Seen]:
        for number in range(first, first + count):
            for seen in play(f"{seed}-{number // len(cases)}", cases[number % len(cases)]):
                yield replace(seen, seed=seed, number=number)

    return numbered


def on_a_disk(play: Callable[[Rig, str, int, Sequence[Case]], Iterator[Seen]], cases: Sequence[Case]) -> Play:
    """The same for cases that want a broker on a disk of its own: one for all of them."""

    def numbered(seed: str, first: int, count: int) -> Iterator[Seen]:
        with rig(has_cache=True) as site:
            yield from counted(lambda own, case: play(site, own, 1, [case]), cases)(seed, first, count)

    return numbered


play_clock = counted(lambda seed, case: clock_steps.play(seed, [case]), clock_steps.CASES)
play_announced = counted(announced.play, [1])
play_slow_syncs = on_a_disk(slow_sync.play, slow_sync.CASES)
play_full_disks = on_a_disk(full_disk.play, full_disk.CASES)
play_flushes = on_a_disk(device_flushes.play, device_flushes.CASES)
