"""The columns that every protocol's tag rows share."""

import pytest

from streamforge.adapters.base import EVERY_READING, ReportRule
from streamforge.adapters.tags import TagRow, report_rule


@pytest.mark.parametrize(
    ("deadband", "rule"),
    [
        (None, EVERY_READING),
        (0.5, ReportRule(deadband=0.5)),
        ("0.5", ReportRule(deadband=0.5)),
        ("1%", ReportRule(deadband=1.0, percent=True)),
        (" 2.5 % ", ReportRule(deadband=2.5, percent=True)),
        ("any", ReportRule(deadband=0.0)),
    ],
)
def test_a_deadband_is_a_report_rule(deadband: float | str | None, rule: ReportRule) -> None:
    assert report_rule(deadband, 300.0) == rule


@pytest.mark.parametrize("deadband", [-1.0, "wide", "-1%", "%", "nan", float("inf")])
def test_a_deadband_that_is_none_is_refused(deadband: float | str) -> None:
    with pytest.raises(ValueError, match='"any"'):
        report_rule(deadband, 300.0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"param": ""}, "param is empty"),
        ({"scale": 0.0}, "scale"),
        ({"offset": float("nan")}, "offset"),
        ({"interval_ms": -1}, "interval_ms"),
        ({"max_silence_s": 0.0}, "max_silence_s"),
    ],
)
def test_a_row_says_what_is_wrong(columns: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TagRow(**({"param": "p"} | columns))  # type: ignore[arg-type] # wrong on purpose
