"""What `streamforge tail` prints of a record: one line a reading, window, event; damage is said and passed."""

import json

import pytest

from streamforge.bus.reader import Fetched
from streamforge.cli.tail import lines, show
from streamforge.codec import encode
from streamforge.model import Event, Kind, Quality, ReadingBatch, Severity, Source, names
from streamforge.progress import Partition

BATCH = ReadingBatch(
    source=Source(asset_id="press", adapter_id="a"),
    epoch=1,
    seq=1,
    count_before=0,
    gateway_time_us=1_795_271_000_000_000,
    names=names(("speed", "running"), ("rpm", ""), bytes([Kind.DOUBLE, Kind.BOOLEAN])),
    values=(1480.5, 1.0),
    qualities=bytes([Quality.GOOD, Quality.UNCERTAIN]),
    reasons={1: "no_response"},
)
EVENT = Event(event_id="1", asset_id="press", type="door", severity=Severity.LOW, time_us=1, message="opened")


def fetched(value: bytes, offset: int = 0) -> Fetched:
    return Fetched(
        partition=Partition("telemetry.raw"), offset=offset, kafka_time_us=1, key=b"press", value=value, headers=()
    )


def test_a_batch_is_a_line_a_reading() -> None:
    speed, running = lines([fetched(encode(BATCH))], is_json=False)
    assert speed.split()[1:] == ["press", "speed", "1480.5", "rpm", "GOOD"]
    assert running.split()[1:] == ["press", "running", "True", "UNCERTAIN", "no_response"]


def test_json_is_the_single_form() -> None:
    first = json.loads(next(lines([fetched(encode(BATCH))], is_json=True)))
    assert (first["asset_id"], first["parameter"], first["value"], first["quality"]) == (
        "press",
        "speed",
        1480.5,
        "GOOD",
    )


def test_an_event_says_its_message() -> None:
    (line,) = lines([fetched(encode(EVENT))], is_json=False)
    assert line.split()[1:] == ["press", "door", "LOW", "opened"]


def test_what_cannot_be_read_is_said_and_the_rest_goes_on() -> None:
    damaged, good = lines([fetched(b"\x00junk", 7), fetched(encode(EVENT), 8)], is_json=False)
    assert damaged.startswith("telemetry.raw[0]@7: ")
    assert "opened" in good


def test_it_ends_after_as_many_lines_as_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    show(iter(("a", "b", "c")), 2)
    assert capsys.readouterr().out == "a\nb\n"
