"""The language of the gateway: what stands on the log, as values. Standard library only.

The unit on the log is a batch of columns: the readings of one asset taken together. All times are integer microseconds
since 1970 UTC; 0 means unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache

Value = float | int | bool | str | None


class Topic(StrEnum):
    """The topics of the log; key = asset_id, one writer's role each (see `streamforge.gateway.principals`)."""

    TELEMETRY_RAW = "telemetry.raw"
    TELEMETRY_CLEAN = "telemetry.clean"
    TELEMETRY_1S = "telemetry.1s"
    TELEMETRY_10S = "telemetry.10s"
    TELEMETRY_1MIN = "telemetry.1min"
    TELEMETRY_1HOUR = "telemetry.1hour"
    EVENTS_RAW = "events.raw"
    EVENTS_CLEAN = "events.clean"
    ALARMS_RAW = "alarms.raw"
    ALARMS_CLEAN = "alarms.clean"
    DLQ_TELEMETRY = "dlq.telemetry"
    DLQ_EVENTS = "dlq.events"
    AUDIT_TRAIL = "audit_trail"


AGGREGATES = (Topic.TELEMETRY_1S, Topic.TELEMETRY_10S, Topic.TELEMETRY_1MIN, Topic.TELEMETRY_1HOUR)
DELIVERED = (Topic.TELEMETRY_CLEAN, *AGGREGATES, Topic.EVENTS_CLEAN, Topic.ALARMS_CLEAN)
"""What sinks may be configured for, and so may read: what has been judged."""


class Quality(IntEnum):
    """How far a reading can be trusted."""

    GOOD = 0
    SUSPECT = 1
    UNCERTAIN = 2
    BAD = 3


class Kind(IntEnum):
    """What a value is; one byte a reading in `Names.kinds`."""

    DOUBLE = 0
    LONG = 1
    BOOLEAN = 2
    STRING = 3
    ULONG = 4


class TimeQuality(StrEnum):
    """What the gateway knows of its own clock."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSET = "unset"


class Severity(StrEnum):
    """Severity of an alarm or event."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFO = "INFO"


class AlarmState(StrEnum):
    """Where an alarm stands (ISA-18.2)."""

    UNACKNOWLEDGED = "UNACKNOWLEDGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RETURNED_UNACKNOWLEDGED = "RETURNED_UNACKNOWLEDGED"
    CLEARED = "CLEARED"


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The columns that do not change from scan to scan: parameter, unit and kind of every reading.

    Interned by `names()`, so that equal columns are one object and an encoder can recognise them by identity.
    """

    parameters: tuple[str, ...]
    units: tuple[str, ...]
    kinds: bytes

    def __len__(self) -> int:
        return len(self.parameters)


@lru_cache(maxsize=4096)
def names(parameters: tuple[str, ...], units: tuple[str, ...], kinds: bytes) -> Names:
    """The one `Names` of these columns; all three must be of one length."""
    if not len(parameters) == len(units) == len(kinds):
        msg = f"columns differ: {len(parameters)} parameters, {len(units)} units, {len(kinds)} kinds"
        raise ValueError(msg)
    return Names(parameters, units, kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who took a batch: constant for one asset of one running adapter."""

    asset_id: str
    adapter_id: str
    adapter_version: str = ""
    pipeline_id: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBatch:
    """The readings of one asset taken in one scan (or one short window of a push protocol), as columns.

    `values[i]` is the reading as a double (booleans 0/1); where a double cannot hold it, NaN stands there and
    `others[i]` holds None, a long, or a string (a ulong from 2^63 is decimal text with `Kind.ULONG`).
    `qualities` empty = all GOOD; `device_times` empty = none, one = for all, else one each.
    `count_before` counts the readings of this adapter's epoch before this batch, so that a hole in `seq` is a number.
    `rejected` (only on clean) says what the validator took out: parameter -> count.
    """

    source: Source
    epoch: int
    seq: int
    count_before: int
    gateway_time_us: int
    time_quality: TimeQuality = TimeQuality.UNSET
    names: Names
    values: Sequence[float]
    others: dict[int, Value] = field(default_factory=dict)
    qualities: bytes = b""
    reasons: dict[int, str] = field(default_factory=dict)
    device_times_us: Sequence[int] = ()
    rejected: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def count_after(self) -> int:
        """The adapter's number of readings up to the end of this batch, those included that the validator took out."""
        return self.count_before + len(self.values) + sum(self.rejected.values())

    def value(self, index: int) -> Value:
        """The reading at `index` in its own kind."""
        if index in self.others:
            other = self.others[index]
            is_big = self.names.kinds[index] == Kind.ULONG and isinstance(other, str)
            return int(other) if is_big else other  # type: ignore[arg-type] # a str, as just seen
        value = self.values[index]
        kind = self.names.kinds[index]
        if kind == Kind.DOUBLE:
            return value
        return bool(value) if kind == Kind.BOOLEAN else int(value)

    def quality(self, index: int) -> Quality:
        """The quality of the reading at `index`."""
        return Quality(self.qualities[index]) if self.qualities else Quality.GOOD

    def device_time_us(self, index: int) -> int:
        """When the source says the reading was taken; 0 = it does not say."""
        times = self.device_times_us
        if not times:
            return 0
        return times[0] if len(times) == 1 else times[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateBatch:
    """One closed window of one asset, one row a parameter, as columns; a later `revision` replaces an earlier one.

    `stddev` is the population's. `suspect` counts SUSPECT and UNCERTAIN. Averages and quantiles are over all but BAD
    readings, NaN where there are none. `sketches[i]` carries what a merge needs (see `streamforge.transforms.sketch`).
    """

    asset_id: str
    window_start_us: int
    window_end_us: int
    revision: int
    parameters: tuple[str, ...]
    units: tuple[str, ...]
    avg: Sequence[float]
    min: Sequence[float]
    max: Sequence[float]
    stddev: Sequence[float]
    count: Sequence[int]
    p50: Sequence[float]
    p95: Sequence[float]
    p99: Sequence[float]
    good: Sequence[int]
    suspect: Sequence[int]
    bad: Sequence[int]
    sketches: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one parameter of one asset: the form that people, customers and third parties see."""

    asset_id: str
    parameter: str
    value: Value
    unit: str
    quality: Quality
    classification: str = "TELEMETRY"
    device_time_us: int = 0
    gateway_time_us: int = 0
    kafka_time_us: int = 0
    reason: str = ""
    adapter_id: str = ""
    adapter_version: str = ""
    pipeline_id: str = ""
    hostname: str = ""

    @property
    def clock_skew_ms(self) -> int:
        """Gateway time minus device time, in milliseconds; 0 when the source says no time."""
        return (self.gateway_time_us - self.device_time_us) // 1000 if self.device_time_us else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One window of one parameter: the single form of `AggregateBatch`."""

    asset_id: str
    parameter: str
    unit: str
    window_start_us: int
    window_end_us: int
    revision: int
    avg: float
    min: float
    max: float
    stddev: float
    count: int
    p50: float
    p95: float
    p99: float
    good: int
    suspect: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened once: a data loss, a quality transition, a clock step, a door."""

    event_id: str
    asset_id: str
    type: str
    severity: Severity
    time_us: int
    message: str
    source: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A condition that somebody must act on, and where it stands."""

    alarm_id: str
    asset_id: str
    type: str
    severity: Severity
    state: AlarmState
    raised_at_us: int
    acked_at_us: int = 0
    acked_by: str = ""
    cleared_at_us: int = 0
    message: str = ""
    value: float = float("nan")
    threshold: float = float("nan")
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be read at all, kept with its bytes and where it stood."""

    topic: str
    partition: int
    offset: int
    time_us: int
    reason: str
    payload: bytes


Record = ReadingBatch | AggregateBatch | Reading | Event | Alarm | DeadLetter


def readings(batch: ReadingBatch, kafka_time_us: int = 0) -> list[Reading]:
    """The batch in its single form, one `Reading` a row."""
    source = batch.source
    return [
        Reading(
            asset_id=source.asset_id,
            parameter=parameter,
            value=batch.value(index),
            unit=batch.names.units[index],
            quality=batch.quality(index),
            device_time_us=batch.device_time_us(index),
            gateway_time_us=batch.gateway_time_us,
            kafka_time_us=kafka_time_us,
            reason=batch.reasons.get(index, ""),
            adapter_id=source.adapter_id,
            adapter_version=source.adapter_version,
            pipeline_id=source.pipeline_id,
            hostname=source.hostname,
        )
        for index, parameter in enumerate(batch.names.parameters)
    ]


def aggregates(batch: AggregateBatch) -> list[Aggregate]:
    """The window in its single form, one `Aggregate` a parameter."""
    columns = zip(
        batch.parameters,
        batch.units,
        batch.avg,
        batch.min,
        batch.max,
        batch.stddev,
        batch.count,
        batch.p50,
        batch.p95,
        batch.p99,
        batch.good,
        batch.suspect,
        batch.bad,
        strict=True,
    )
    return [
        Aggregate(
            asset_id=batch.asset_id,
            window_start_us=batch.window_start_us,
            window_end_us=batch.window_end_us,
            revision=batch.revision,
            parameter=parameter,
            unit=unit,
            avg=avg,
            min=low,
            max=high,
            stddev=stddev,
            count=count,
            p50=p50,
            p95=p95,
            p99=p99,
            good=good,
            suspect=suspect,
            bad=bad,
        )
        for parameter, unit, avg, low, high, stddev, count, p50, p95, p99, good, suspect, bad in columns
    ]
