"""Numbers and times as a person reads them."""

from datetime import UTC

import pytest

from streamforge.web import sparkline, words

NOW = 1_790_000_000_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0 s"),
        (0.4, "0.4 s"),
        (42, "42 s"),
        (282, "4 min 42 s"),
        (2000, "33 min"),
        (11_530, "3 h 12 min"),
        (432_000, "5 days"),
    ],
)
def test_ages_fit(seconds: float, text: str) -> None:
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"), (True, "on"), (False, "off"), ("RUNNING", "RUNNING"), (1204, "1,204"), (2**63, str(2**63)),
        (2.4, "2.400"), (118.0, "118.00"), (1480.0, "1,480.0"), (123456.7, "123,457"), (0.00001234, "1.234e-05"),
        (0.0, "0.000"), (float("nan"), "\u2013"), (float("-inf"), "\u2212\u221e"), (3.2e12, "3.2e+12"),
    ],
)  # fmt: skip
def test_values(value: float | bool | str | None, text: str) -> None:
    assert words.value(value) == text


def test_counts_and_sizes() -> None:
    assert [words.count(number) for number in (0, 1204, 1_630_114, 57e9)] == ["0", "1,204", "1.6 M", "57.0 G"]
    assert [words.size(number) for number in (7, 41_000_000, 1_500_000, 100e9)] == ["7 B", "41 MB", "1.5 MB", "100 GB"]
    assert (words.plural(1, "device"), words.plural(6, "device")) == ("1 device", "6 devices")


def test_units_have_signs_and_names_are_listed() -> None:
    assert [words.unit(name) for name in ("celsius", "m3/h", "bar")] == ["\u00b0C", "m\u00b3/h", "bar"]
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a", "b", "c", "d"]) == "a and 3 others"


def test_the_client_librarys_words_stay_out() -> None:
    away = "waiting for the broker: the broker at 127.0.0.1:9092 is away: KafkaTimeoutError: no"
    assert words.plain(away) == "waits for the log (Kafka)"
    assert words.plain(f"3 of 3 devices answer; {away}") == "3 of 3 devices answer; waits for the log (Kafka)"
    assert words.plain("delivering to file") == "delivering to file"


def test_another_day_is_named() -> None:
    assert words.clock(NOW, NOW, UTC) == "14:13:20"
    assert words.clock(NOW - 86_400_000_000, NOW, UTC) == "2026-09-20 14:13:20"
    assert words.clock(0, NOW, UTC) == "unknown"


def test_a_trace_fits_its_box_and_a_steady_one_is_a_line_in_the_middle() -> None:
    assert sparkline.path([1.0]) == ""
    assert sparkline.path([5.0, 5.0]) == "M0 13.0L110 13.0"
    assert sparkline.path([0.0, 10.0]) == "M0 24.0L110 2.0"
