"""telemetry.raw -> telemetry.clean: judges every reading, and takes the bad ones out to dlq.telemetry with a reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Annotated

from streamforge.config import Bounds
from streamforge.model import Kind, Names, Quality, Reading, ReadingBatch, Record, Source, Topic, Value, names
from streamforge.progress import Stored
from streamforge.transforms.base import Emit, Transform, TransformConfig
from streamforge.transforms.previous import MICROS, Previous
from streamforge.transforms.rules import Rule, Rules

BAD = bytes([Quality.BAD])
EXACT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorConfig(TransformConfig):
    """Rules of the plant. A previous reading older than `rate_memory_seconds` says nothing about a rate."""

    rate_memory_seconds: Annotated[int, Bounds(1, 3600)] = 60
    rules: tuple[Rule, ...] = ()


class Validator(Transform[ValidatorConfig]):
    """One clean batch for every record on raw; of one asset and columns without a fault it is the same object.

    What it takes out goes to the dead letter topic first, as a batch of the same source, epoch and seq, all BAD.
    State is the previous readings alone, and `holding` covers them; the default `replay` rebuilds them.
    """

    Config = ValidatorConfig
    input = Topic.TELEMETRY_RAW.value
    output = Topic.TELEMETRY_CLEAN.value
    sides = (Topic.DLQ_TELEMETRY.value, Topic.EVENTS_CLEAN.value)

    def __init__(self, config: ValidatorConfig) -> None:
        super().__init__(config)
        self._rules = Rules(config.rules)
        self._previous = Previous(config.rate_memory_seconds * MICROS)

    def apply(self, stored: Stored) -> Iterable[Emit]:
        """One main output always, as the last; before it at most one to dlq.telemetry."""
        record = stored.record
        if not isinstance(record, ReadingBatch):
            if not isinstance(record, Reading):
                return _not_a_reading(record)
            record = _batch_of_one(record, stored)
        if not record.gateway_time_us or record.rejected:
            at_us = record.gateway_time_us or stored.kafka_time_us
            record = replace(record, gateway_time_us=at_us, rejected={})
        return self._judge(stored.offset, record)

    def holding(self) -> int | None:
        """The oldest raw offset whose readings may still serve as previous ones (or a little older)."""
        return self._previous.holding()

    def _judge(self, offset: int, batch: ReadingBatch) -> Sequence[Emit]:
        plan = self._rules.plan(batch.source.asset_id, batch.names)
        rejects: dict[int, str] = {}
        suspects: dict[int, str] = {}
        if not plan.all_within(batch.values):
            rejects, suspects = plan.breaches(batch)
        if BAD in batch.qualities:
            rejects |= _bad_at_source(batch)
            suspects = {index: reason for index, reason in suspects.items() if index not in rejects}
        self._previous.advance(offset, batch.gateway_time_us)
        if plan.rated:
            for index, reason in self._previous.judge(offset, batch, plan, rejects).items():
                suspects[index] = f"{suspects[index]}; {reason}" if index in suspects else reason
        if suspects or not batch.device_times_us or 0 in batch.device_times_us:
            batch = _marked(batch, suspects)
        return _split(batch, rejects) if rejects else (_main(batch),)


def _main(batch: ReadingBatch) -> Emit:
    return Emit(topic=Topic.TELEMETRY_CLEAN.value, key=batch.source.asset_id, record=batch)


def _bad_at_source(batch: ReadingBatch) -> dict[int, str]:
    return {
        index: batch.reasons.get(index) or "BAD at the source"
        for index, quality in enumerate(batch.qualities)
        if quality == Quality.BAD
    }


def _marked(batch: ReadingBatch, suspects: dict[int, str]) -> ReadingBatch:
    """Quality as low as found: SUSPECT with its reason, UNCERTAIN where there is no device time."""
    qualities = bytearray(batch.qualities or bytes(len(batch)))
    for index in suspects:
        qualities[index] = max(qualities[index], Quality.SUSPECT)
    times = batch.device_times_us
    if len(times) <= 1 and not any(times):
        qualities = qualities.translate(bytes([2, 2]) + bytes(range(2, 256)))
    elif 0 in times:
        for index, time_us in enumerate(times):
            if not time_us:
                qualities[index] = max(qualities[index], Quality.UNCERTAIN)
    reasons = dict(batch.reasons)
    for index, reason in suspects.items():
        reasons[index] = f"{reasons[index]}; {reason}" if index in reasons else reason
    return replace(batch, qualities=bytes(qualities), reasons=reasons)


def _split(batch: ReadingBatch, rejects: dict[int, str]) -> Sequence[Emit]:
    taken = sorted(rejects)
    kept = [index for index in range(len(batch)) if index not in rejects]
    bad = replace(_rows(batch, taken), qualities=BAD * len(taken), reasons=dict(enumerate(rejects[i] for i in taken)))
    clean = replace(_rows(batch, kept), rejected=dict(Counter(bad.names.parameters)))
    letter = Emit(topic=Topic.DLQ_TELEMETRY.value, key=batch.source.asset_id, record=bad)
    return (letter, _main(clean))


def _rows(batch: ReadingBatch, rows: Sequence[int]) -> ReadingBatch:
    places = {row: index for index, row in enumerate(rows)}
    times = batch.device_times_us
    return replace(
        batch,
        names=_columns(batch.names, rows),
        values=tuple(batch.values[row] for row in rows),
        others={places[row]: value for row, value in batch.others.items() if row in places},
        qualities=bytes(batch.qualities[row] for row in rows) if batch.qualities else b"",
        reasons={places[row]: reason for row, reason in batch.reasons.items() if row in places},
        device_times_us=times if len(times) <= 1 else tuple(times[row] for row in rows),
    )


def _columns(columns: Names, rows: Sequence[int]) -> Names:
    return names(
        tuple(columns.parameters[row] for row in rows),
        tuple(columns.units[row] for row in rows),
        bytes(columns.kinds[row] for row in rows),
    )


def _batch_of_one(reading: Reading, stored: Stored) -> ReadingBatch:
    """A third party's single reading: epoch 0, and a seq that names its place on raw."""
    kind, value, other = _column_form(reading.value)
    return ReadingBatch(
        source=Source(
            asset_id=reading.asset_id,
            adapter_id=reading.adapter_id,
            adapter_version=reading.adapter_version,
            pipeline_id=reading.pipeline_id,
            hostname=reading.hostname,
        ),
        epoch=0,
        seq=stored.partition.number << 48 | stored.offset,
        count_before=0,
        gateway_time_us=reading.gateway_time_us or stored.kafka_time_us,
        names=names((reading.parameter,), (reading.unit,), bytes([kind])),
        values=(value,),
        others=other,
        qualities=bytes([reading.quality]) if reading.quality else b"",
        reasons={0: reading.reason} if reading.reason else {},
        device_times_us=(reading.device_time_us,) if reading.device_time_us else (),
    )


def _column_form(value: Value) -> tuple[Kind, float, dict[int, Value]]:
    if isinstance(value, bool):
        return Kind.BOOLEAN, float(value), {}
    if isinstance(value, int):
        if abs(value) <= EXACT:
            return Kind.LONG, float(value), {}
        return (Kind.LONG, nan, {0: value}) if value < 2**63 else (Kind.ULONG, nan, {0: str(value)})
    if isinstance(value, float):
        return Kind.DOUBLE, value, {}
    return (Kind.STRING if isinstance(value, str) else Kind.DOUBLE), nan, {0: value}


def _not_a_reading(record: Record) -> Sequence[Emit]:
    """What has no business on raw goes to the dead letters as it is; an empty batch stands for it on clean."""
    asset_id = getattr(record, "asset_id", "")
    empty = ReadingBatch(
        source=Source(asset_id=asset_id, adapter_id=""),
        epoch=0, seq=0, count_before=0, gateway_time_us=0, names=names((), (), b""), values=(),
    )  # fmt: skip
    return (Emit(topic=Topic.DLQ_TELEMETRY.value, key=asset_id, record=record), _main(empty))
