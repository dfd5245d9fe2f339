"""`streamforge ledger`: what may be asked, and how the answer reads."""

from datetime import UTC, datetime

import pytest

from streamforge.cli.ledger import since, text, window_json, window_text
from streamforge.errors import ConfigError
from streamforge.gateway.ledger import Found, Ledger, Row, Window

NOW = 1_790_000_000_000_000
ROW = Row(adapter_id="plant", epoch=3, sink="file@export", read=10, delivered=7, waiting=2, rejected=1)
UNEVEN = Row(adapter_id="plant", epoch=4, sink="file@export", read=10, delivered=7)
NOT_KNOWN = Row(adapter_id="plant", epoch=3, sink="file@b", read=9, waiting=8, note="does not run", is_judged=False)


@pytest.mark.parametrize(
    ("word", "seconds"), [("90s", 90), ("15min", 900), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_a_duration_is_so_long_before_now(word: str, seconds: int) -> None:
    assert since(word, NOW) == NOW - seconds * 1_000_000


@pytest.mark.parametrize("word", ["2026-11-27T06:00", "2026-11-27 06:00", "2026-11-27T07:00+01:00"])
def test_a_time_is_utc_unless_it_names_a_zone(word: str) -> None:
    assert since(word, NOW) == int(datetime(2026, 11, 27, 6, tzinfo=UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize("word", ["", "yesterday", "2 apples", "-5min", "2026-13-01"])
def test_what_is_neither_is_an_error_that_shows_both(word: str) -> None:
    with pytest.raises(ConfigError, match="is no duration and no time") as raised:
        since(word, NOW)
    assert "15min" in str(raised.value)


def test_the_table_marks_what_does_not_balance_and_says_what_is_not_of_now() -> None:
    lines = text(Ledger(rows=(ROW, UNEVEN, NOT_KNOWN))).splitlines()
    assert lines[1].split() == ["plant", "3", "file@export", "10", "7", "2", "1", "0"]
    assert lines[2].endswith("  unbalanced")
    assert lines[3].endswith("  does not run"), "what cannot be judged is not called unbalanced"
    assert lines[4].startswith("NOT BALANCED")
    assert text(Ledger(rows=(ROW, NOT_KNOWN))).endswith("\nbalanced")


def test_only_what_cannot_be_judged_is_not_balanced() -> None:
    assert not Ledger(rows=(NOT_KNOWN,)).balanced
    assert not Ledger().balanced


def test_a_window_says_how_far_back_the_log_reaches() -> None:
    found = Found(rows=(ROW,), assets={"pump"}, oldest_us=NOW)
    shown = window_text(Ledger(rows=found.rows), found, Window(since_us=NOW, asset="pump"))
    assert "of pump since 2026-09-21 14:13:20 UTC: its oldest reading there is of 2026-09-21 14:13:20 UTC" in shown
    assert f'"oldest_us": {NOW}' in window_json(Ledger(rows=found.rows), found)
    assert "no reading of pump" in window_text(Ledger(), Found(), Window(asset="pump"))
