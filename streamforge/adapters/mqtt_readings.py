"""What a message says, reading by reading, and the columns that many readings become. Pure."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import NamedTuple

from streamforge.adapters.base import Batch
from streamforge.model import Kind, Names, Value, names

EXACT_DOUBLE = 2**53
FIRST_TEXT_ULONG = 2**63


class Unreadable(ValueError):  # noqa: N818 - a state of the payload, which goes to the dead letters
    """A payload that is none of what the configuration says; the message says why."""


class Sample(NamedTuple):
    """One value of one parameter; `value` None = there is none, for that reason. `time_us` 0 = it carries none.

    A tuple, for there are many: a frozen dataclass takes four times as long to make.
    """

    asset_id: str
    parameter: str
    value: Value
    unit: str = ""
    kind: Kind = Kind.DOUBLE
    quality: int = 0
    reason: str = ""
    time_us: int = 0


def kind_of(value: Value) -> Kind:
    """What a value is where nobody says: numbers are doubles, so that 21 and 21.5 are of one column."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.STRING if isinstance(value, str) else Kind.DOUBLE


def batch_of(samples: Sequence[Sample], *, is_history: bool = False) -> Batch:
    """Readings of one asset as columns."""
    others: dict[int, Value] = {}
    values = [_double(sample.value, index, others) for index, sample in enumerate(samples)]
    qualities = bytes([sample.quality for sample in samples])
    times = [sample.time_us for sample in samples]
    return Batch(
        asset_id=samples[0].asset_id,
        names=_names(samples),
        values=values,
        others=others,
        qualities=qualities if any(qualities) else b"",
        reasons={index: sample.reason for index, sample in enumerate(samples) if sample.reason},
        device_times_us=_column(times),
        is_history=is_history,
    )


def _names(samples: Iterable[Sample]) -> Names:
    parameters, units, kinds = zip(*((one.parameter, one.unit, one.kind) for one in samples), strict=True)
    return names(parameters, units, bytes(kinds))


def _column(times: Sequence[int]) -> Sequence[int]:
    """Empty = none, one = for all, else one each."""
    first = times[0]
    if any(time != first for time in times):
        return times
    return (first,) if first else ()


def _double(value: Value, index: int, others: dict[int, Value]) -> float:
    """The column's double; what does not fit one stands in `others`."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and -EXACT_DOUBLE <= value <= EXACT_DOUBLE:
        return float(value)
    is_huge = isinstance(value, int) and value >= FIRST_TEXT_ULONG
    others[index] = str(value) if is_huge else value
    return nan
