"""The JSON form of what people and customers see."""

import json

import pytest

from streamforge.model import DeadLetter, Quality, Reading
from streamforge.sinks.forms import dumps, forms, reading_form, time_text
from tests.sinks.samples import NOON_US, alarm, batch, event, window


@pytest.mark.parametrize(
    ("time_us", "words"),
    [
        (NOON_US, "2026-01-01T12:00:00.000000Z"),
        (NOON_US + 1, "2026-01-01T12:00:00.000001Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (0, None),
        (2**63 - 1, None),
        (-(2**63), None),
    ],
)
def test_times_are_rfc_3339_and_null_where_unknown(time_us: int, words: str | None) -> None:
    assert time_text(time_us) == words


def test_a_reading_of_a_batch() -> None:
    one = batch(7, (1.5,), device_times_us=(NOON_US - 250_000,), qualities=b"\x01", reasons={0: "stuck"})
    assert list(forms(one, NOON_US + 1_000)) == [
        {
            "asset_id": "pump-1",
            "parameter": "p0",
            "value": 1.5,
            "unit": "bar",
            "quality": "SUSPECT",
            "classification": "TELEMETRY",
            "timestamps": {
                "device_time": "2026-01-01T11:59:59.750000Z",
                "gateway_time": "2026-01-01T12:00:00.000000Z",
                "kafka_time": "2026-01-01T12:00:00.001000Z",
            },
            "clock_skew_ms": 250,
            "metadata": {
                "adapter_id": "plant",
                "adapter_version": "0.1.0",
                "pipeline_id": "main",
                "hostname": "gateway-1",
                "epoch": 1,
                "seq": 7,
                "index": 0,
            },
            "reason": "stuck",
        }
    ]


def test_what_is_no_json_number_is_null() -> None:
    odd = batch(0, (float("nan"), float("inf"), 1.0))
    assert [json.loads(dumps(form))["value"] for form in forms(odd)] == [None, None, 1.0]


def test_a_window_has_its_aggregates_and_its_quality() -> None:
    first, second = forms(window(revision=2))
    assert first["aggregates"] == {
        "avg": 2.0, "min": 1.0, "max": 3.0, "stddev": 0.5, "count": 10, "p50": 2.0, "p95": 2.9, "p99": 3.0,
    }  # fmt: skip
    assert first["quality_summary"] == {"good_samples": 9, "suspect_samples": 1, "bad_samples": 0, "pct_good": 90.0}
    assert (first["revision"], first["window_end"]) == (2, "2026-01-01T12:00:01.000000Z")
    assert json.loads(dumps(second))["aggregates"]["avg"] is None


def test_events_alarms_and_dead_letters_name_their_times() -> None:
    letter = DeadLetter(topic="t", partition=0, offset=1, time_us=NOON_US, reason="torn", payload=b"\0\1")
    times = [next(forms(one)) for one in (event(), alarm(), letter)]
    assert times[0]["time"] == times[1]["raised_at"] == times[2]["time"] == "2026-01-01T12:00:00.000000Z"
    assert times[1]["cleared_at"] is None
    assert times[2]["payload"] == "AAE="
    assert json.loads(dumps(times[1]))["severity"] == "CRITICAL"


def test_a_reading_of_a_third_party_has_no_place_of_an_adapter() -> None:
    form = reading_form(Reading(asset_id="a", parameter="p", value="x", unit="", quality=Quality.GOOD))
    assert "reason" not in form
    assert form["metadata"] == {"adapter_id": "", "adapter_version": "", "pipeline_id": "", "hostname": ""}
