"""What a campaign can try beside the power cuts of a bare log: one line each.

A subject's option is asked for as `--<option> N`: N faults of each subject that has it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults import away, chain_cuts, kills, storm
from tests.faults.seen import Seen

Play = Callable[[str, int, int], Iterator[Seen]]
"""(seed, first, count): play the `count` faults from number `first` on; a fault is drawn by seed and number alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One kind of fault. `name` is that of its state file; `needs_disk`: it cuts the power of a disk of its own."""

    name: str
    option: str
    play: Play
    needs_disk: bool = False


SUBJECTS = (
    *(Subject(name=name, option="kills", play=play) for name, play in kills.KILLS.items()),
    Subject(name="kill-all-units", option="storms", play=storm.play),
    *(Subject(name=name, option="stops", play=play) for name, play in kills.STOPS.items()),
    Subject(name="broker-away", option="absences", play=away.play),
    Subject(name="chain-cut", option="chain-cuts", play=chain_cuts.play_shipped, needs_disk=True),
    Subject(name="chain-cut-cache", option="chain-cuts", play=chain_cuts.play_on_a_cache, needs_disk=True),
)
