r"""Records as rows of PostgreSQL's COPY text format: tab between columns, newline between rows, `\N` for null. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import orjson

from streamforge.errors import Rejected
from streamforge.model import AggregateBatch, Alarm, Event, Kind, Names, Quality, Reading, ReadingBatch, Source, Value
from streamforge.progress import Stored
from streamforge.sinks.forms import time_text
from streamforge.sinks.tables import ALARMS, BY_TOPIC, EVENTS, READINGS

_NULL = r"\N"
_YEAR_2000_US = 946_684_800_000_000
_DAY_US = 86_400_000_000
_LARGEST_EXACT = 2**53
_QUALITIES = tuple(quality.name for quality in Quality)
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": None})


@dataclass(slots=True, kw_only=True)
class Rows:
    """The rows of one table; a later row of the same key replaces an earlier one where the table keys them here."""

    lines: list[str] = field(default_factory=list)
    keyed: dict[tuple[object, ...], tuple[int, str]] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)

    def text(self) -> bytes:
        """All rows as COPY takes them."""
        return "".join((*self.lines, *(line for _, line in self.keyed.values()))).encode()

    def put(self, key: tuple[object, ...], revision: int, line: str) -> None:
        """A row that the highest revision of its key wins; of equal ones the later."""
        if key not in self.keyed or self.keyed[key][0] <= revision:
            self.keyed[key] = (revision, line)


def rows(batch: Sequence[Stored]) -> dict[str, Rows]:
    """The rows of all records by table name. Raises Rejected for records that fit no table."""
    tables: dict[str, Rows] = {}
    refused: dict[int, str] = {}
    for index, stored in enumerate(batch):
        try:
            _add(stored, tables)
        except (TypeError, ValueError, OverflowError) as error:
            refused[index] = str(error)
    if refused:
        raise Rejected(tuple(refused), next(iter(refused.values())))
    return tables


def _add(stored: Stored, tables: dict[str, Rows]) -> None:
    table = BY_TOPIC.get(stored.partition.topic)
    match stored.record:
        case ReadingBatch() as batch if table is READINGS:
            _add_batch(batch, stored, tables.setdefault(READINGS.name, Rows()))
        case Reading() as reading if table is READINGS:
            _add_reading(reading, stored, tables.setdefault(READINGS.name, Rows()))
        case AggregateBatch() as window if table is not None and table.time == "window_start":
            _add_window(window, tables.setdefault(table.name, Rows()))
        case Event() as event if table is EVENTS:
            tables.setdefault(EVENTS.name, Rows()).put((event.event_id,), 0, _event_line(event))
        case Alarm() as alarm if table is ALARMS:
            key = (alarm.alarm_id, alarm.raised_at_us)
            tables.setdefault(ALARMS.name, Rows()).put(key, 0, _alarm_line(alarm))
        case other:
            msg = f"a {type(other).__name__} on {stored.partition.topic} has no table"
            raise ValueError(msg)


def text(value: str) -> str:
    """Escaped for COPY. PostgreSQL holds no NUL, and PLC strings are padded with it: it goes."""
    return value.translate(_ESCAPES) if not value.isalnum() else value


def row_time_us(device_time_us: int, gateway_time_us: int) -> int:
    """The time a row is filed under: the device's, unless before 2000 or a day ahead of a gateway with a clock."""
    has_clock = gateway_time_us >= _YEAR_2000_US
    is_sane = device_time_us >= _YEAR_2000_US and (not has_clock or device_time_us <= gateway_time_us + _DAY_US)
    return device_time_us if is_sane else gateway_time_us


def _time(time_us: int) -> str:
    return time_text(time_us) or _NULL


def _filed(time_us: int, days: set[int]) -> str:
    """A time that is a key and so never null: 0 is 1970."""
    words = time_text(time_us)
    days.add(time_us // _DAY_US if words else 0)
    return words or "1970-01-01T00:00:00Z"


def _value(value: Value) -> str:
    r"""Columns value and value_text: a number, a text, or an integer beyond a double's exactness as both."""
    if value is None:
        return rf"{_NULL}{chr(9)}{_NULL}"
    if isinstance(value, str):
        return f"{_NULL}\t{text(value)}"
    exact = str(value) if isinstance(value, int) and abs(value) > _LARGEST_EXACT else _NULL
    return f"{float(value)!r}\t{exact}"


@lru_cache(maxsize=4096)
def _labels(names: Names) -> tuple[str, ...]:
    """Columns parameter, unit, index of every reading."""
    pairs = zip(names.parameters, names.units, strict=True)
    return tuple(f"{text(parameter)}\t{text(unit)}\t{index}\t" for index, (parameter, unit) in enumerate(pairs))


@lru_cache(maxsize=4096)
def _origin(source: Source) -> str:
    fields = (source.adapter_id, source.adapter_version, source.pipeline_id, source.hostname)
    return "\t".join(map(text, fields))


def _add_batch(batch: ReadingBatch, stored: Stored, to: Rows) -> None:
    times = f"{_time(batch.gateway_time_us)}\t{_time(stored.kafka_time_us)}"
    tail = f"\t{text(batch.source.asset_id)}\t{times}\t{_origin(batch.source)}\t{batch.epoch}\t{batch.seq}\n"
    if batch.others or any(batch.qualities) or batch.reasons or len(batch.device_times_us) > 1:
        to.lines.extend(_careful_lines(batch, tail, to.days))
        return
    device_time_us = batch.device_time_us(0) if batch.device_times_us else 0
    filed = _filed(row_time_us(device_time_us, batch.gateway_time_us), to.days)
    tail = f"\t{_NULL}\tGOOD\t{_NULL}\t{filed}\t{_time(device_time_us)}{tail}"
    labels = _labels(batch.names)
    to.lines.extend([f"{label}{value!r}{tail}" for label, value in zip(labels, batch.values, strict=True)])


def _careful_lines(batch: ReadingBatch, tail: str, days: set[int]) -> Iterable[str]:
    """Each reading by itself: for batches with other values, qualities, reasons or times."""
    for index, label in enumerate(_labels(batch.names)):
        device_time_us = batch.device_time_us(index)
        filed = _filed(row_time_us(device_time_us, batch.gateway_time_us), days)
        value = _value(batch.value(index) if index in batch.others else _plain(batch, index))
        reason = text(batch.reasons[index]) if index in batch.reasons else _NULL
        quality = _QUALITIES[batch.quality(index)]
        yield f"{label}{value}\t{quality}\t{reason}\t{filed}\t{_time(device_time_us)}{tail}"


def _plain(batch: ReadingBatch, index: int) -> Value:
    value = batch.values[index]
    is_whole = batch.names.kinds[index] in (Kind.LONG, Kind.ULONG)
    return int(value) if is_whole else value


def _add_reading(reading: Reading, stored: Stored, to: Rows) -> None:
    """A third party's reading has no seq: its place in the log names it, epoch -1 keeps it apart from adapters."""
    filed = _filed(row_time_us(reading.device_time_us, reading.gateway_time_us or stored.kafka_time_us), to.days)
    label = f"{text(reading.parameter)}\t{text(reading.unit)}\t{stored.partition.number}"
    times = f"{_time(reading.gateway_time_us)}\t{_time(stored.kafka_time_us)}"
    origin = "\t".join(map(text, (reading.adapter_id, reading.adapter_version, reading.pipeline_id, reading.hostname)))
    reason = text(reading.reason) if reading.reason else _NULL
    to.lines.append(
        f"{label}\t{_value(reading.value)}\t{_QUALITIES[reading.quality]}\t{reason}\t{filed}"
        f"\t{_time(reading.device_time_us)}\t{text(reading.asset_id)}\t{times}\t{origin}\t-1\t{stored.offset}\n"
    )


def _add_window(window: AggregateBatch, to: Rows) -> None:
    asset, revision = text(window.asset_id), window.revision
    start = _filed(window.window_start_us, to.days)
    end = _filed(window.window_end_us, set())
    columns = zip(
        window.parameters, window.units, window.avg, window.min, window.max, window.stddev, window.p50, window.p95,
        window.p99, window.count, window.good, window.suspect, window.bad, strict=True,
    )  # fmt: skip
    for parameter, unit, *numbers in columns:
        figures = "\t".join([_NULL if number != number else repr(number) for number in numbers])  # noqa: PLR0124 - NaN
        line = f"{asset}\t{text(parameter)}\t{start}\t{end}\t{revision}\t{text(unit)}\t{figures}\n"
        to.put((asset, parameter, start), revision, line)


def _event_line(event: Event) -> str:
    words = map(text, (event.asset_id, event.type, event.severity, event.message, event.source))
    details = text(orjson.dumps({k.replace("\0", ""): v.replace("\0", "") for k, v in event.details.items()}).decode())
    return "\t".join((text(event.event_id), _time(event.time_us), *words, details)) + "\n"


def _alarm_line(alarm: Alarm) -> str:
    words = map(text, (alarm.asset_id, alarm.type, alarm.severity, alarm.state))
    acked = (_time(alarm.acked_at_us), text(alarm.acked_by), _time(alarm.cleared_at_us), text(alarm.message))
    numbers = (_NULL if number != number else repr(number) for number in (alarm.value, alarm.threshold))  # noqa: PLR0124
    raised = _filed(alarm.raised_at_us, set())
    return "\t".join((text(alarm.alarm_id), raised, *words, *acked, *numbers, text(alarm.unit))) + "\n"
