"""What a cut of the log cost, from what adapters noted and what stands in each partition around the cut. Pure.

Readings that do not stand on the log are lost, whoever lost them. A record that an epoch wrote after the cut names in
`count_before` how many came before it: then the count is exact. One that ends at the cut is bounded by its promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Epoch = tuple[str, int]
"""adapter_id and epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One epoch of one adapter: it handed the log at most `promised` readings, and had noted `read` of them.

    `began` and `incarnation`: the log's incarnations in which it first and last wrote; 0 = it never reached the log.
    """

    epoch: int
    read: int
    promised: int
    incarnation: int
    began: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether it stopped in order, or its end was seen on the log."""
        return self.promised == self.read

    def lived_through(self, first: int, last: int) -> bool:
        """Whether it wrote between incarnation `first` and the opening of incarnation `last`."""
        return first <= self.incarnation and (self.began or self.incarnation) < last


Promises = Mapping[str, Sequence[Promise]]
"""adapter_id -> its epochs."""


@dataclass(slots=True, kw_only=True)
class Around:
    """What stands in one partition around its cut.

    `ends`: up to which of its readings an epoch stands before the cut. `holes`: readings that are missing between that
    and the records of the epoch after the cut; only epochs that have any.
    """

    ends: dict[Epoch, int] = field(default_factory=dict)
    holes: dict[Epoch, int] = field(default_factory=dict)

    def end(self, key: Epoch) -> int | None:
        """0 where only earlier epochs of the adapter stand; None where that cannot be said."""
        adapter_id, epoch = key
        is_beyond = any(other == adapter_id and earlier < epoch for other, earlier in self.ends)
        return self.ends.get(key, 0 if is_beyond else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What one epoch lost, in readings. `end`: up to which of its readings it stands before the cut."""

    adapter_id: str
    epoch: int
    at_least: int
    at_most: int
    end: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether the count is known."""
        return self.at_least == self.at_most

    def __str__(self) -> str:
        return f"{self.adapter_id}/{self.epoch}={amount(self.at_least, self.at_most)}"


def amount(at_least: int, at_most: int) -> str:
    """A count, or its bounds: "40", "13-1240"."""
    return str(at_most) if at_least == at_most else f"{at_least}-{at_most}"


def losses(promises: Promises, partitions: Sequence[Around], *, is_anew: bool) -> list[Loss]:
    """What of these epochs does not stand on the log.

    `is_anew`: another log took the place of the one before, so that only what an epoch goes on from can be counted.
    """
    found = [
        _loss((adapter_id, one.epoch), one, partitions, is_anew=is_anew)
        for adapter_id, epochs in sorted(promises.items())
        for one in sorted(epochs, key=lambda one: one.epoch)
    ]
    return [loss for loss in found if loss is not None and loss.at_most]


def _loss(key: Epoch, one: Promise, partitions: Sequence[Around], *, is_anew: bool) -> Loss | None:
    # In several partitions the readings of an epoch lie in turns: no record says what is missing in another one.
    is_single = len(partitions) == 1
    ends = [end for around in partitions if (end := around.end(key)) is not None]
    end = min(ends, default=0)
    if is_single and key in partitions[0].holes:
        hole = partitions[0].holes[key]
        return Loss(adapter_id=key[0], epoch=key[1], at_least=hole, at_most=hole, end=end)
    if is_anew or (not ends and one.has_ended):  # it stopped long ago
        return None
    return Loss(
        adapter_id=key[0],
        epoch=key[1],
        at_least=max(0, one.read - end) if is_single else 0,
        at_most=max(0, one.promised - end),
        end=end,
    )
