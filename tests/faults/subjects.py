"""What a campaign can try beside the power cuts of a bare log: one line each.

A subject's option is asked for as `--<option> N`: N faults of each subject that has it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.appliance import at_random
from tests.faults import away, chain_cuts, damage, kills, one_by_one, small_files, storm
from tests.faults.seen import Seen
from tests.faults.simulated import play as simulated

Play = Callable[[str, int, int], Iterator[Seen]]
"""(seed, first, count): play the `count` faults from number `first` on; a fault is drawn by seed and number alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One kind of fault. `name` is that of its state file; `needs_disk`: it cuts the power of a disk of its own."""

    name: str
    option: str
    play: Play
    needs_disk: bool = False


def play_damage(seed: str, first: int, count: int) -> Iterator[Seen]:
    """Whole rounds only: the one in which `first` stands is played again, and what was judged of it left out."""
    begin = first - first % damage.MOST_A_ROUND
    with TemporaryDirectory(prefix="sf-damage-") as directory:
        for seen in damage.play(seed, first + count - begin, Path(directory) / "site", first=begin):
            if seen.number >= first:
                yield seen


def play_small_files(seed: str, first: int, count: int) -> Iterator[Seen]:
    """One file of the broker's a fault."""
    return small_files.play(seed, first + count, first)


SUBJECTS = (
    Subject(name="schedule", option="schedules", play=simulated.play),
    Subject(name="damaged-segment", option="damages", play=play_damage),
    Subject(name="small-file", option="small-files", play=play_small_files),
    *(Subject(name=name, option="kills", play=play) for name, play in kills.KILLS.items()),
    Subject(name="kill-all-units", option="storms", play=storm.play),
    *(Subject(name=name, option="stops", play=play) for name, play in kills.STOPS.items()),
    Subject(name="appliance", option="appliance-kills", play=at_random.play),
    Subject(name="broker-away", option="absences", play=away.play),
    Subject(name="clock", option="clock-steps", play=one_by_one.play_clock),
    Subject(name="announced", option="announced", play=one_by_one.play_announced, needs_disk=True),
    Subject(name="slow-sync", option="slow-syncs", play=one_by_one.play_slow_syncs, needs_disk=True),
    Subject(name="full-disk", option="full-disks", play=one_by_one.play_full_disks, needs_disk=True),
    Subject(name="device-flushes", option="device-flushes", play=one_by_one.play_flushes, needs_disk=True),
    Subject(name="chain-cut", option="chain-cuts", play=chain_cuts.play_shipped, needs_disk=True),
    Subject(name="chain-cut-cache", option="chain-cuts", play=chain_cuts.play_on_a_cache, needs_disk=True),
)
