"""Times as payloads write them, in microseconds since 1970."""

import pytest

from streamforge.adapters.mqtt_times import TimeFormat, time_us

US = 1_767_323_045_678_901  # 2026-01-02T03:04:05.678901Z


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("iso", "2026-01-02T03:04:05.678901Z", US),
        ("iso", "2026-01-02T03:04:05.678901234Z", US),
        ("iso", "2026-01-02T04:04:05.678901+01:00", US),
        ("iso", "2026-01-02 03:04:05.678901", US),
        ("unix_s", 1_767_323_045, 1_767_323_045_000_000),
        ("unix_s", 1_767_323_045.678901, US),
        ("unix_s", "1767323045", 1_767_323_045_000_000),
        ("unix_ms", 1_767_323_045_678, 1_767_323_045_678_000),
        ("unix_us", US, US),
        ("unix_ns", US * 1000 + 999, US),
        ("unix_ns", str(US * 1000), US),
    ],
)
def test_a_time_is_microseconds_since_1970(form: str, value: object, expected: int) -> None:
    assert time_us(value, TimeFormat(form)) == expected


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("iso", 1_767_323_045), ("iso", "yesterday"), ("iso", ""), ("iso", None), ("unix_s", "2026-01-02"),
        ("unix_s", True), ("unix_s", 0), ("unix_s", -5), ("unix_s", float("nan")), ("unix_s", 1e300), ("unix_s", [1]),
        ("unix_s", US), ("unix_ms", None), ("iso", "1969-12-31T23:59:59Z"), ("unix_ns", "9" * 5000),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(form: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"is no time as {form}"):
        time_us(value, TimeFormat(form))
