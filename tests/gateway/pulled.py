"""A disk as it comes out of a gateway, small: some topics with records of every kind, and what stands beside them."""

from pathlib import Path

from streamforge.codec import encode
from streamforge.model import Alarm, AlarmState, DeadLetter, Event, Kind, ReadingBatch, Severity, Source, names
from tests.codec.segment_maker import batch, write
from tests.samples import batch as readings

EVENT = Event(event_id="e1", asset_id="pump_1", type="door", severity=Severity.LOW, time_us=7, message="open")
ALARM = Alarm(
    alarm_id="a1",
    asset_id="pump_1",
    type="high",
    severity=Severity.HIGH,
    state=AlarmState.CLEARED,
    raised_at_us=1,
)
LETTER = DeadLetter(topic="events.raw", partition=0, offset=44, time_us=9, reason="no frame", payload=b"\xff\x00")
NO_NUMBER = ReadingBatch(
    source=Source(asset_id="pump_1", adapter_id="plant"),
    epoch=1,
    seq=9,
    count_before=0,
    gateway_time_us=1,
    names=names(("counter",), ("",), bytes([Kind.ULONG])),
    values=(float("nan"),),
    others={0: "no number"},
)
PER_SEGMENT = 6


def telemetry(first: int) -> bytes:
    """Three record batches, two records each of three readings, lz4."""
    return b"".join(
        batch(offset, [encode(readings(offset + index)) for index in range(2)], codec=3)
        for offset in range(first, first + PER_SEGMENT, 2)
    )


def make(kafka: Path) -> Path:
    """The folder `kafka` of a gateway: telemetry.raw of 18 records, events, alarms, dead letters, a broker's own."""
    data = kafka / "data"
    for base in (0, PER_SEGMENT, 2 * PER_SEGMENT):
        write(data / "telemetry.raw-0", base, telemetry(base))
    write(data / "events.clean-0", 0, batch(0, [encode(EVENT)]))
    write(data / "alarms.clean-0", 0, batch(0, [encode(ALARM)], codec=1))
    write(data / "dlq.telemetry-0", 5, batch(5, [encode(LETTER), b"none of ours", None, encode(NO_NUMBER)]))
    write(data / "__consumer_offsets-0", 0, batch(0, [b"internal"]))
    write(data / "telemetry.clean-0.0123456789abcdef-stray", 3, batch(3, [encode(readings(3))]))
    write(data / "telemetry.1s-0.0123456789abcdef-delete", 0, batch(0, [encode(readings(0))]))
    (data / "meta.properties").write_text("version=1\n")
    (data / "telemetry.10s-0").mkdir()
    write(kafka / "aside" / "3" / "telemetry.raw-0", 0, telemetry(0))
    return data
