"""telemetry.clean -> telemetry.1s -> telemetry.10s and telemetry.1min -> telemetry.1hour: statistics by event time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Annotated

from streamforge.config import Bounds
from streamforge.model import AggregateBatch, ReadingBatch, Topic
from streamforge.progress import Stored
from streamforge.transforms.base import Emit, Transform, TransformConfig
from streamforge.transforms.merging import Merging, readings_of
from streamforge.transforms.samples import Samples, Strip, numbers
from streamforge.transforms.windows import Asset, Standing, Timing, Windows

SECOND_US = 1_000_000
DISORDER_US = 5 * SECOND_US
SILENT_RECORDS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorConfig(TransformConfig):
    """How long a 1 s window waits, how late a reading may come, and when an asset counts as silent."""

    allowed_lateness_ms: Annotated[int, Bounds(0, 60_000)] = 2_000
    late_bound_seconds: Annotated[int, Bounds(1, 3_600)] = 30
    silence_seconds: Annotated[int, Bounds(1, 3_600)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """One stage: from which topic to which, by how long windows. `depth` counts the stages up to it."""

    source: Topic
    target: Topic
    size_seconds: int
    depth: int


RESOLUTIONS = (
    Resolution(source=Topic.TELEMETRY_CLEAN, target=Topic.TELEMETRY_1S, size_seconds=1, depth=1),
    Resolution(source=Topic.TELEMETRY_1S, target=Topic.TELEMETRY_10S, size_seconds=10, depth=2),
    Resolution(source=Topic.TELEMETRY_1S, target=Topic.TELEMETRY_1MIN, size_seconds=60, depth=2),
    Resolution(source=Topic.TELEMETRY_1MIN, target=Topic.TELEMETRY_1HOUR, size_seconds=3_600, depth=3),
)


def timing(config: AggregatorConfig, resolution: Resolution) -> Timing:
    """The times of one stage.

    A reading may be late by the bound and its record out of order by `DISORDER_US`; a device's clock may be ahead by
    the bound. The stages above see all of these in the ends of the windows that reach them, so they retain more, and
    forget a silent asset later than the stage below tells its last windows.
    """
    bound_us = config.late_bound_seconds * SECOND_US
    delay_us = config.allowed_lateness_ms * 1_000
    silence_us = delay_us + config.silence_seconds * SECOND_US
    size_us = resolution.size_seconds * SECOND_US
    late_us = bound_us + DISORDER_US
    if resolution.depth == 1:
        return Timing(
            size_us=size_us, delay_us=delay_us, retention_us=delay_us + late_us,
            step_us=DISORDER_US, ahead_us=bound_us, silence_us=silence_us, silent_records=SILENT_RECORDS,
        )  # fmt: skip
    retention_us = 2 * late_us + delay_us + (60 * SECOND_US if resolution.depth > 2 else 0)
    return Timing(
        size_us=size_us, delay_us=0, retention_us=retention_us,
        step_us=retention_us, ahead_us=retention_us, silence_us=resolution.depth * silence_us,
        silent_records=2 * SILENT_RECORDS,
    )  # fmt: skip


class Aggregator(Transform[AggregatorConfig]):
    """One of the four stages on one partition.

    Relies on the runner: after a restart it tells by `standing` every own output that an input at or after `holding()`
    caused (`holding()` as it was before the oldest input whose outputs are not all acknowledged), then gives by
    `replay` the inputs from that `holding()` to the position of the last own output, in order, then goes on with
    `apply`. `replay` returns what does not stand. No (asset, window start, revision) is told twice, but after a clock
    that was set back by more than the retention: a window lived through again starts at revision 0 again.
    """

    Config = AggregatorConfig

    def __init__(self, config: AggregatorConfig, resolution: Resolution = RESOLUTIONS[0]) -> None:
        super().__init__(config)
        self.input = resolution.source.value
        self.output = resolution.target.value
        # One stage an input tells of what is missing there, and there is always such a stage.
        is_teller = next(one for one in RESOLUTIONS if one.source is resolution.source) is resolution
        self.sides = (Topic.EVENTS_CLEAN.value,) if is_teller else ()
        self.late = 0
        self._size_us = resolution.size_seconds * SECOND_US
        self._bound_us = config.late_bound_seconds * SECOND_US
        times = timing(config, resolution)
        self._is_first = resolution.depth == 1
        self._samples: Windows[Samples] = Windows(times, Samples)
        self._merging: Windows[Merging] = Windows(times, Merging)
        self._windows: Windows[Samples] | Windows[Merging] = self._samples if self._is_first else self._merging

    @classmethod
    def stages(cls, config: AggregatorConfig) -> "Sequence[Aggregator]":
        """1 s, 10 s, 1 min, 1 h."""
        return tuple(cls(config, resolution) for resolution in RESOLUTIONS)

    def apply(self, stored: Stored) -> Iterable[Emit]:
        """What the next input closes or revises; a record of another kind than this stage reads is passed over."""
        record = stored.record
        if isinstance(record, ReadingBatch) and self._is_first:
            return self._emits(self._take_readings(stored.offset, record))
        if isinstance(record, AggregateBatch) and not self._is_first:
            return self._emits(self._take_window(stored.offset, record))
        return ()

    def replay(self, stored: Stored) -> Iterable[Emit]:
        """The same as `apply`: what stands was told before and is not returned."""
        return self.apply(stored)

    def tick(self, listened_us: int) -> Iterable[Emit]:
        """The windows of assets that fell silent, told without waiting for their next record."""
        return self._emits(self._windows.tick(listened_us))

    def holding(self) -> int | None:
        """The oldest input offset of a window that is open or retained, or of a watermark."""
        return self._windows.holding()

    def standing(self, stored: Stored, next_offset: int) -> None:
        """An own output in the log: its window is told again only with more readings, as the next revision."""
        record = stored.record
        if isinstance(record, AggregateBatch):
            standing = Standing(record.revision, readings_of(record), next_offset)
            self._windows.stands(record.asset_id, record.window_start_us, standing)

    def _emits(self, told: Iterable[AggregateBatch]) -> list[Emit]:
        return [Emit(topic=self.output, key=batch.asset_id, record=batch) for batch in told]

    def _take_window(self, offset: int, batch: AggregateBatch) -> list[AggregateBatch]:
        asset, told = self._merging.advance(offset, batch.asset_id, batch.window_end_us)
        window = self._merging.window(asset, batch.window_start_us - batch.window_start_us % self._size_us, offset)
        if window is None:
            self.late += readings_of(batch)
        else:
            window.content.put(batch)
        return told + self._merging.close(asset)

    def _take_readings(self, offset: int, batch: ReadingBatch) -> list[AggregateBatch]:
        asset, told = self._samples.advance(offset, batch.source.asset_id, batch.gateway_time_us)
        times = batch.device_times_us
        if len(times) <= 1:
            self._put(asset, offset, self._start_us(batch.gateway_time_us, times[0] if times else 0), batch)
        else:
            self._put_scattered(asset, offset, batch)
        return told + self._samples.close(asset)

    def _start_us(self, gateway_us: int, device_us: int) -> int | None:
        """The window of a reading; None = it is late, by its own record's times alone."""
        if not device_us or device_us - gateway_us > self._bound_us:
            device_us = gateway_us
        if gateway_us - device_us > self._bound_us:
            return None
        return device_us - device_us % self._size_us

    def _put(self, asset: Asset[Samples], offset: int, start_us: int | None, batch: ReadingBatch) -> None:
        names = batch.names
        strip = Strip(names.parameters, names.units, numbers(batch), batch.qualities)
        self._put_strip(asset, offset, start_us, strip)
        self._put_rejected(asset, offset, start_us, batch)

    def _put_scattered(self, asset: Asset[Samples], offset: int, batch: ReadingBatch) -> None:
        """Readings with a time each: a strip for every window they fall into."""
        starts = [self._start_us(batch.gateway_time_us, time_us) for time_us in batch.device_times_us]
        names, values = batch.names, numbers(batch)
        for start_us in dict.fromkeys(starts):
            rows = [start == start_us for start in starts]
            strip = Strip(
                tuple(compress(names.parameters, rows)),
                tuple(compress(names.units, rows)),
                tuple(compress(values, rows)),
                bytes(compress(batch.qualities, rows)),
            )
            self._put_strip(asset, offset, start_us, strip)
        self._put_rejected(asset, offset, self._start_us(batch.gateway_time_us, 0), batch)

    def _put_strip(self, asset: Asset[Samples], offset: int, start_us: int | None, strip: Strip) -> None:
        if not len(strip.values):
            return
        window = None if start_us is None else self._samples.window(asset, start_us, offset)
        if window is None:
            self.late += len(strip.values)
        else:
            window.content.add(strip)

    def _put_rejected(self, asset: Asset[Samples], offset: int, start_us: int | None, batch: ReadingBatch) -> None:
        if not batch.rejected:
            return
        window = None if start_us is None else self._samples.window(asset, start_us, offset)
        if window is None:
            self.late += sum(batch.rejected.values())
        else:
            window.content.reject(batch.rejected)
