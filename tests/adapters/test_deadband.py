"""Report by exception."""

from dataclasses import replace
from math import isnan

from streamforge.adapters.base import Batch, Device, ReportRule
from streamforge.adapters.deadband import Reporter, reporter_of
from streamforge.model import Quality
from tests.samples import NAN, plain_names

GOOD, UNCERTAIN, BAD = (bytes([quality]) for quality in (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD))


def device(*rules: ReportRule) -> Device:
    return Device(key="d", asset_id="a", interval_seconds=1.0, names=plain_names(len(rules)), rules=rules)


def scan(*values: float, qualities: bytes = b"", reasons: dict[int, str] | None = None) -> Batch:
    return Batch(
        asset_id="a",
        names=plain_names(len(values)),
        values=values,
        qualities=qualities,
        reasons=reasons or {},
        others={index: None for index, value in enumerate(values) if isnan(value)},
    )


def reported(reporter: Reporter, batch: Batch, at: float) -> tuple[float, ...]:
    due = reporter.select(batch, at)
    return tuple(due.values) if due is not None else ()


def test_without_a_deadband_every_scan_is_reported_as_the_same_object() -> None:
    reporter = reporter_of(device(ReportRule(), ReportRule()))
    batch = scan(1.0, 2.0)
    assert reporter.select(batch, 0.0) is batch
    assert reporter.select(batch, 1.0) is batch


def test_an_absolute_deadband_reports_only_larger_changes() -> None:
    reporter = reporter_of(device(ReportRule(deadband=0.5)))
    assert [reported(reporter, scan(value), float(at)) for at, value in enumerate((10.0, 10.4, 10.6, 10.6))] == [
        (10.0,), (), (10.6,), (),
    ]  # fmt: skip


def test_a_percent_deadband_is_of_the_last_reported_value() -> None:
    reporter = reporter_of(device(ReportRule(deadband=1.0, percent=True)))
    assert [reported(reporter, scan(value), 0.0) for value in (200.0, 201.9, 202.1)] == [(200.0,), (), (202.1,)]


def test_silence_ends_after_max_silence() -> None:
    reporter = reporter_of(device(ReportRule(deadband=0.0, max_silence_seconds=10.0)))
    assert [reported(reporter, scan(1.0), at) for at in (0.0, 9.9, 10.0, 15.0, 20.0)] == [
        (1.0,),
        (),
        (1.0,),
        (),
        (1.0,),
    ]


def test_a_quality_change_is_reported_once_per_transition() -> None:
    reporter = reporter_of(device(ReportRule()))
    bad = scan(NAN, qualities=BAD, reasons={0: "no answer"})
    assert reporter.select(scan(1.0), 0.0) is not None
    assert reporter.select(bad, 1.0) is bad
    assert reporter.select(bad, 2.0) is None
    assert reporter.select(bad, 301.0) is bad, "again at max_silence"
    assert reported(reporter, scan(1.0), 302.0) == (1.0,)


def test_a_dead_device_is_one_batch_and_not_one_a_scan() -> None:
    reporter = reporter_of(device(*(ReportRule(),) * 3))
    bad = scan(NAN, NAN, NAN, qualities=BAD * 3)
    assert [reporter.select(bad, float(at)) is not None for at in range(5)] == [True, False, False, False, False]


def test_a_part_of_a_scan_keeps_its_columns_together() -> None:
    reporter = reporter_of(device(ReportRule(deadband=5.0), ReportRule(), ReportRule(deadband=5.0)))
    reporter.select(scan(1.0, 2.0, 3.0), 0.0)
    batch = replace(
        scan(1.0, 2.0, 30.0, qualities=GOOD + UNCERTAIN + GOOD, reasons={1: "late"}), device_times_us=(5, 6, 7)
    )
    due = reporter.select(batch, 1.0)
    assert due is not None
    assert due.names.parameters == ("parameter_1", "parameter_2")
    assert (due.values, due.qualities, due.reasons) == ((2.0, 30.0), UNCERTAIN + GOOD, {0: "late"})
    assert due.device_times_us == (6, 7)


def test_a_text_is_reported_when_it_changes() -> None:
    reporter = reporter_of(device(ReportRule(deadband=0.0)))

    def named(text: str) -> Batch:
        return replace(scan(NAN), others={0: text})

    assert [reporter.select(named(text), 0.0) is not None for text in ("A", "A", "B")] == [True, False, True]
