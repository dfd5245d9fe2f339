"""The readings of one scan while it grows, answer by answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

from streamforge.adapters.base import Batch
from streamforge.model import Names, Quality, Value


@dataclass(slots=True)
class Scan:
    """The readings of one scan while it grows, answer by answer: columns as in `adapters.base.Batch`."""

    values: list[float] = field(default_factory=list)
    others: dict[int, Value] = field(default_factory=dict)
    faults: dict[int, tuple[Quality, str]] = field(default_factory=dict)

    def fail(self, count: int, quality: Quality, reason: str) -> None:
        """The next `count` readings are null, for this reason."""
        first = len(self.values)
        self.values += [nan] * count
        for index in range(first, first + count):
            self.spoil(index, quality, reason)

    def spoil(self, index: int, quality: Quality, reason: str) -> None:
        """The reading at `index` is null, for this reason."""
        self.values[index] = nan
        self.others[index] = None
        self.faults[index] = (quality, reason)

    def in_order(self, places: Sequence[int]) -> "Scan":
        """The same readings, the one at `places[i]` standing at i."""
        if not self.others and not self.faults:
            return Scan([self.values[place] for place in places])
        new = {old: index for index, old in enumerate(places)}
        return Scan(
            [self.values[place] for place in places],
            {new[old]: value for old, value in self.others.items()},
            {new[old]: fault for old, fault in self.faults.items()},
        )

    @property
    def qualities(self) -> bytes:
        """One byte a reading; empty = all GOOD."""
        if not self.faults:
            return b""
        column = bytearray(len(self.values))
        for index, (quality, _) in self.faults.items():
            column[index] = quality
        return bytes(column)

    def batch(self, asset_id: str, names: Names, device_time_us: int) -> Batch:
        """What was read of one asset, at this time of its own."""
        return Batch(
            asset_id=asset_id,
            names=names,
            values=tuple(self.values),
            others=self.others,
            qualities=self.qualities,
            reasons={index: reason for index, (_, reason) in self.faults.items()},
            device_times_us=(device_time_us,),
        )
