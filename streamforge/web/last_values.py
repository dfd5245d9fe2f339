"""The last value of every parameter and a small trace of it, from batches of telemetry.clean; memory is bounded."""

import math
import threading
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamforge.model import Quality, ReadingBatch, Value

MOST_PARAMETERS = 5000
TRACE_POINTS = 60
_RATE_SECONDS = 10
_MICROSECONDS = 1_000_000
_LONGEST_SPACING_US = 60 * _MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LastValue:
    """What a parameter was last seen as. `time_us` is the device's time where it says one, else the gateway's."""

    asset_id: str
    parameter: str
    value: Value
    unit: str
    quality: Quality
    time_us: int
    seen_us: int
    reason: str = ""


class Trace:
    """At most TRACE_POINTS points that span everything since the start, up to an hour: when full, every second goes."""

    __slots__ = ("_next_us", "_spacing_us", "points")

    def __init__(self) -> None:
        self.points = array("d")
        self._spacing_us = _MICROSECONDS
        self._next_us = 0

    def add(self, value: float, time_us: int) -> None:
        """Take the value in, where its time has come, or the clock was set back."""
        if self._next_us - self._spacing_us <= time_us < self._next_us or math.isnan(value) or math.isinf(value):
            return
        self._next_us = time_us + self._spacing_us
        self.points.append(value)
        if len(self.points) < TRACE_POINTS:
            return
        if self._spacing_us * 2 <= _LONGEST_SPACING_US:
            self._spacing_us *= 2
            self.points = self.points[1::2]
        else:
            del self.points[0]

    @property
    def span_seconds(self) -> float:
        """How much time the points cover."""
        return len(self.points) * self._spacing_us / _MICROSECONDS


class LastValues:
    """What `follow` fills and the pages read. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, str], LastValue] = {}
        self._traces: dict[tuple[str, str], Trace] = {}
        self._counts: deque[tuple[int, int]] = deque()
        self.problem = "not read yet"

    def take(self, batch: ReadingBatch, *, seen_us: int) -> None:
        """Take one batch in. `seen_us` is now, for the rate."""
        asset_id = batch.source.asset_id
        with self._lock:
            for index, parameter in enumerate(batch.names.parameters):
                key = (asset_id, parameter)
                if key not in self._values and len(self._values) >= MOST_PARAMETERS:
                    continue
                self._values[key] = _last(batch, index, parameter)
                self._trace(key, batch.values[index], batch.gateway_time_us)
            self._counts.append((seen_us, len(batch)))
            self._forget_counts(seen_us)

    def _trace(self, key: tuple[str, str], value: float, time_us: int) -> None:
        if key not in self._traces:
            self._traces[key] = Trace()
        self._traces[key].add(value, time_us)

    def _forget_counts(self, now_us: int) -> None:
        """Also those of a time to come: the clock was set back, and they would stay until it is there again."""
        while self._counts and not 0 <= now_us - self._counts[0][0] <= _RATE_SECONDS * _MICROSECONDS:
            self._counts.popleft()

    def readings_per_second(self, now_us: int) -> float:
        """Readings that came in over the last ten seconds."""
        with self._lock:
            self._forget_counts(now_us)
            return sum(count for _, count in self._counts) / _RATE_SECONDS

    def assets(self) -> tuple[str, ...]:
        """Every asset that was seen."""
        with self._lock:
            return tuple(sorted({asset_id for asset_id, _ in self._values}))

    def of(self, asset_id: str) -> tuple[LastValue, ...]:
        """The parameters of one asset by name: what comes first changes from scan to scan."""
        with self._lock:
            found = [last for (asset, _), last in self._values.items() if asset == asset_id]
        return tuple(sorted(found, key=lambda last: last.parameter))

    def trace(self, asset_id: str) -> tuple[str, Sequence[float], float]:
        """Parameter, points and span in seconds of the asset's most telling trace; ("", (), 0) where there is none."""
        with self._lock:
            traces = [(key[1], trace) for key, trace in self._traces.items() if key[0] == asset_id]
            moving = [(name, trace) for name, trace in traces if len(set(trace.points)) > 2]
            # A counter only rises: its picture says nothing.
            swinging = [(name, trace) for name, trace in moving if not _only_rises(trace.points)]
            for name, trace in swinging or moving or traces[:1]:
                return name, tuple(trace.points), trace.span_seconds
        return "", (), 0.0


def _only_rises(points: Sequence[float]) -> bool:
    return all(one <= next_one for one, next_one in pairwise(points))


def _last(batch: ReadingBatch, index: int, parameter: str) -> LastValue:
    return LastValue(
        asset_id=batch.source.asset_id,
        parameter=parameter,
        value=batch.value(index),
        unit=batch.names.units[index],
        quality=batch.quality(index),
        time_us=batch.device_time_us(index) or batch.gateway_time_us,
        seen_us=batch.gateway_time_us,
        reason=batch.reasons.get(index, ""),
    )
