"""Windows close by event time, are revised by late readings, and a restart at any point changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforge.config import load
from streamforge.model import AggregateBatch, Event, ReadingBatch, Record, Severity
from streamforge.transforms import aggregator, windows
from streamforge.transforms.aggregator import RESOLUTIONS, Aggregator, AggregatorConfig
from tests.transforms.cases import agrees, batch, expected, folders, inputs, micros
from tests.transforms.protocol import Log, stored

CONFIG = AggregatorConfig(late_bound_seconds=5)
FOREVER = 2**60


@pytest.fixture(scope="module", autouse=True)
def _assets_are_forgotten_soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregator, "SILENT_RECORDS", 6)
        patch.setattr(windows, "CHECK_EVERY", 4)
        yield


def first() -> Aggregator:
    return Aggregator(CONFIG)


def run(stage: Aggregator, records: Sequence[Record], offset: int = 0) -> list[AggregateBatch]:
    emits = [emit for n, record in enumerate(records, offset) for emit in stage.apply(stored(stage, n, record))]
    assert all(emit.topic == stage.output for emit in emits)
    return [emit.record for emit in emits if isinstance(emit.record, AggregateBatch)]


@pytest.mark.parametrize("folder", folders("aggregator"), ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    stage = Aggregator(load(folder / "config.toml", AggregatorConfig))
    seen = [emit for record in inputs(folder, "telemetry.clean") for emit in stage.apply(record)]
    wanted = expected(folder)
    assert [agrees(emit, want) for emit, want in zip(seen, wanted, strict=True)] == wanted


def test_the_sample_is_the_default() -> None:
    assert load(Path(windows.__file__).parent / "aggregator.toml", AggregatorConfig) == AggregatorConfig()


def test_the_stages_are_a_cascade() -> None:
    assert [(stage.input, stage.output) for stage in Aggregator.stages(CONFIG)] == [
        ("telemetry.clean", "telemetry.1s"),
        ("telemetry.1s", "telemetry.10s"),
        ("telemetry.1s", "telemetry.1min"),
        ("telemetry.1min", "telemetry.1hour"),
    ]


def test_a_window_closes_when_the_watermark_has_passed_its_end_by_the_delay() -> None:
    stage = first()
    assert run(stage, [batch(values={"a": v}, at=t) for v, t in ((1, 10.0), (3, 10.5), (9, 12.9))]) == []
    (window,) = run(stage, [batch(values={"a": 9}, at=13.0)], offset=3)
    assert (window.window_start_us, window.window_end_us, window.revision) == (10_000_000, 11_000_000, 0)
    assert (window.avg, window.min, window.max, window.stddev, window.count) == ((2.0,), (1.0,), (3.0,), (1.0,), (2,))


def test_late_readings_make_one_revision_an_advance_of_the_watermark() -> None:
    stage = first()
    run(stage, [batch(values={"a": 1}, at=10.0), batch(values={"a": 1}, at=14.0)])
    late = batch(values={"a": 5}, at=14.0, device_times=[10.1])
    assert run(stage, [late, late, late], offset=2) == []
    (revised, other) = run(stage, [batch(values={"a": 1}, at=17.0)], offset=5)
    assert (revised.revision, revised.count, revised.avg) == (1, (4,), (4.0,))
    assert (other.window_start_us, other.revision) == (14_000_000, 0)


def test_a_reading_later_than_the_bound_is_dropped_and_counted() -> None:
    stage = first()
    run(stage, [batch(values={"a": 1, "b": 2}, at=10.0, device_times=[4.9])])
    assert stage.late == 2
    assert stage.tick(FOREVER) == []


def test_a_device_clock_far_ahead_is_not_believed() -> None:
    stage = first()
    run(stage, [batch(values={"a": 1}, at=10.0, device_times=[15.1])])
    (emit,) = stage.tick(FOREVER)
    assert isinstance(emit.record, AggregateBatch)
    assert emit.record.window_start_us == 10_000_000


def test_a_silent_asset_is_told_after_a_while_and_a_late_waking_is_a_revision() -> None:
    stage = first()
    run(stage, [batch(values={"a": 1}, at=10.0)])
    assert stage.tick(micros(7.9)) == []
    assert len(list(stage.tick(micros(8.0)))) == 1
    assert stage.tick(micros(9.0)) == []
    (window, *_) = run(stage, [batch(values={"a": 2}, at=10.9), batch(values={"a": 2}, at=13.0)], offset=1)
    assert (window.revision, window.count) == (1, (2,))


@pytest.mark.parametrize("clock", [10.0, 3.2e9])
def test_silence_is_counted_from_the_last_record_on_whatever_its_clock_says(clock: float) -> None:
    stage = first()
    assert stage.tick(micros(100.0)) == []
    run(stage, [batch(values={"a": 1}, at=clock)])
    assert stage.tick(micros(105.0)) == []
    assert run(stage, [batch(values={"a": 1}, at=clock + 0.5)], offset=1) == []
    assert stage.tick(micros(112.4)) == []
    assert len(list(stage.tick(micros(112.6)))) == 1


def test_text_and_null_count_but_have_no_average() -> None:
    stage = first()
    run(stage, [batch(values={"a": "on", "b": None, "c": True}, at=10.0, qualities=[0, 1, 2])])
    (emit,) = stage.tick(FOREVER)
    window = emit.record
    assert isinstance(window, AggregateBatch)
    assert window.count == (1, 1, 1)
    assert (window.good, window.suspect, window.bad) == ((1, 0, 0), (0, 1, 1), (0, 0, 0))
    assert isnan(window.avg[0])
    assert isnan(window.p99[1])
    assert window.avg[2] == 1.0


def test_what_the_validator_took_out_counts_as_bad() -> None:
    stage = first()
    run(stage, [batch(values={"a": 1}, at=10.0, rejected={"a": 2, "b": 1})])
    (emit,) = stage.tick(FOREVER)
    window = emit.record
    assert isinstance(window, AggregateBatch)
    assert (window.parameters, window.count, window.bad) == (("a", "b"), (1, 0), (2, 1))


def test_a_clock_set_back_far_does_not_stop_the_windows() -> None:
    stage = first()
    ahead = run(stage, [batch(values={"a": 1}, at=9_000.0), batch(values={"a": 1}, at=100.0)])
    assert [window.window_start_us for window in ahead] == [micros(9_000.0)]
    (window,) = run(stage, [batch(values={"a": 1}, at=103.0)], offset=2)
    assert window.window_start_us == micros(100.0)
    assert stage.late == 0
    assert stage.holding() == 1


def test_a_record_of_another_kind_is_passed_over() -> None:
    event = Event(event_id="1", asset_id="x", type="t", severity=Severity.LOW, time_us=1, message="")
    assert run(first(), [event]) == []


def test_what_is_held_follows_the_watermark_and_an_asset_that_went_away_is_let_go() -> None:
    stage = first()
    run(stage, [batch(asset="gone", values={"a": 1}, at=0.5)])
    run(stage, [batch(values={"a": 1}, at=float(t)) for t in range(100)], offset=1)
    held = stage.holding()
    assert held is not None
    assert held > 80


PARAMETERS = ("a", "b", "c")
STEPS = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from([0, 0, 100, 100, 400, 1_000, 1_500, 30_000]),  # how far the gateway's clock goes on, ms
    st.sampled_from([0, 0, 0, -500, -4_000]),  # how far this record is out of order, ms
    st.lists(st.sampled_from([None, 0, 0, 10, 900, 2_500, 5_000, 5_600, -800, -5_500]), min_size=1, max_size=3),
    st.lists(st.sampled_from([1.0, 2.0, -7.5, 0.0, 1e6, float("nan"), 3.25]), min_size=3, max_size=3),
    st.sampled_from([b"", b"", b"\0\1\3", b"\2\2\2"]),
    st.sampled_from([{}, {}, {"a": 1}, {"z": 2}]),
)


def streams(most: int = 40) -> st.SearchStrategy[list[Record]]:
    return st.lists(STEPS, max_size=most).map(_records)


def _records(steps: list[tuple[Any, ...]]) -> list[Record]:
    clock_ms = 1_000_000
    records: list[Record] = []
    for asset, on_ms, out_of_order_ms, ages_ms, values, qualities, rejected in steps:
        clock_ms += on_ms
        at = (clock_ms + out_of_order_ms) / 1000
        count = 3 if len(ages_ms) == 1 else len(ages_ms)
        records.append(
            batch(
                asset=asset,
                values=dict(zip(PARAMETERS, values[:count], strict=False)),
                at=at,
                device_times=[0 if age is None else at - age / 1000 for age in ages_ms],
                qualities=list(qualities[:count]),
                rejected=rejected,
            )
        )
    return records


def oracle(records: Sequence[Record], size_us: int) -> dict[tuple[str, int, str], list[tuple[float, int]]]:
    """Every reading by asset, window and parameter, the plain way."""
    found: dict[tuple[str, int, str], list[tuple[float, int]]] = {}
    bound_us = CONFIG.late_bound_seconds * 1_000_000
    for record in records:
        assert isinstance(record, ReadingBatch)
        gateway = record.gateway_time_us
        rows = [
            (name, record.values[i], record.quality(i), record.device_time_us(i))
            for i, name in enumerate(record.names.parameters)
        ]
        lone = record.device_times_us[0] if len(record.device_times_us) == 1 else 0
        rows += [(name, float("nan"), 3, lone) for name, n in record.rejected.items() for _ in range(n)]  # type: ignore[misc]
        for name, value, quality, device in rows:
            time_us = device if device and device <= gateway + bound_us else gateway
            if gateway - time_us <= bound_us:
                key = (record.source.asset_id, time_us - time_us % size_us, name)
                found.setdefault(key, []).append((value, int(quality)))
    return found


def check(window: AggregateBatch, row: int, readings: list[tuple[float, int]]) -> None:
    """One parameter of one window against all its readings."""
    values = sorted(v for v, quality in readings if quality != 3 and not isnan(v))
    assert window.good[row] == sum(quality == 0 for _, quality in readings)
    assert window.suspect[row] == sum(quality in {1, 2} for _, quality in readings)
    assert window.bad[row] == sum(quality == 3 for _, quality in readings)
    assert window.count[row] == window.good[row] + window.suspect[row]
    if not values:
        assert isnan(window.avg[row])
        assert isnan(window.p50[row])
        return
    avg = sum(values) / len(values)
    assert window.avg[row] == pytest.approx(avg, abs=1e-6)
    assert window.stddev[row] == pytest.approx(sqrt(sum((v - avg) ** 2 for v in values) / len(values)), abs=1e-4)
    assert (window.min[row], window.max[row]) == (values[0], values[-1])
    for percent, value in ((50, window.p50[row]), (95, window.p95[row]), (99, window.p99[row])):
        assert value == pytest.approx(values[(len(values) * percent + 99) // 100 - 1], rel=0.01)


def compare(final: dict[tuple[str, int], AggregateBatch], wanted: dict[tuple[str, int, str], Any]) -> None:
    seen = {
        (asset, start, name): (window, row)
        for (asset, start), window in final.items()
        for row, name in enumerate(window.parameters)
    }
    assert seen.keys() == wanted.keys()
    for key, (window, row) in seen.items():
        check(window, row, wanted[key])


def told_by(stage: Aggregator, records: Sequence[Record]) -> list[AggregateBatch]:
    """Everything that a stage tells of these records while the clock goes on with them, and after them."""
    told: list[AggregateBatch] = []
    now_us = 0
    for offset, record in enumerate(records):
        told += run(stage, [record], offset)
        now_us = max(now_us, record.gateway_time_us if isinstance(record, ReadingBatch) else record.window_end_us)  # type: ignore[union-attr]
        told += ticked(stage, now_us)
    return told + ticked(stage, FOREVER)


def ticked(stage: Aggregator, now_us: int) -> list[AggregateBatch]:
    return [emit.record for emit in stage.tick(now_us) if isinstance(emit.record, AggregateBatch)]


def last(told: Sequence[AggregateBatch]) -> dict[tuple[str, int], AggregateBatch]:
    return {(window.asset_id, window.window_start_us): window for window in told}


@given(streams())
@settings(deadline=None)
def test_every_resolution_equals_the_oracle(records: list[Record]) -> None:
    told: dict[str, list[AggregateBatch]] = {}
    for stage, resolution in zip(Aggregator.stages(CONFIG), RESOLUTIONS, strict=True):
        told[stage.output] = told_by(stage, told.get(stage.input, records))
        compare(last(told[stage.output]), oracle(records, resolution.size_seconds * 1_000_000))


def alike(windows_: dict[tuple[str, int], AggregateBatch]) -> dict[tuple[str, int], str]:
    return {key: repr(window) for key, window in windows_.items()}


def cut_and_compare(make: Any, records: Sequence[Record], data: st.DataObject) -> None:
    """Three sessions, each ended anywhere with any part of its outputs written, then one to the end."""
    whole = Log(make)
    whole.run(records, len(records))
    cut = Log(make, lag=data.draw(st.integers(0, 5), label="lag"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=3), label="cuts"))
    for until in cuts:
        before = len(cut.out)
        cut.run(records, until)
        del cut.out[data.draw(st.integers(before, len(cut.out)), label="written") :]
    cut.run(records, len(records))
    assert alike(cut.final()) == alike(whole.final())


@given(streams(), st.data())
@settings(deadline=None, max_examples=300)
def test_a_restart_at_any_point_changes_nothing(records: list[Record], data: st.DataObject) -> None:
    cut_and_compare(first, records, data)


@given(streams(60), st.sampled_from(RESOLUTIONS[1:3]), st.data())
@settings(deadline=None, max_examples=200)
def test_nor_does_it_in_the_cascade(records: list[Record], resolution: Any, data: st.DataObject) -> None:
    told: Sequence[Record] = told_by(first(), records)
    cut_and_compare(lambda: Aggregator(CONFIG, resolution), told, data)


def test_what_stands_outlives_a_replay_that_meets_a_later_clock_first() -> None:
    """The windows after a clock that was set back stand, and are not over for what came before."""
    before = [batch(asset="y", values={"a": 1}, at=9_000.0)]  # y says no more: it holds all that follows
    before += [batch(values={"a": 1}, at=at) for at in (9_000.0, 9_003.0, 100.0)]
    log = Log(first)
    log.run(before, 4, lambda offset: FOREVER if offset == 3 else None)
    assert log.out[-1].hold == 0
    log.run([*before, batch(values={"a": 1}, at=100.1)], 5, lambda _: FOREVER)
    assert [(key[1], window.revision) for key, window in log.final().items() if key[1] == micros(100.0)] == [
        (micros(100.0), 1)
    ]


CLOCKS = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3]), min_size=40, max_size=40)


@given(streams(), CLOCKS, st.data())
@settings(deadline=None, max_examples=200)
def test_a_restart_changes_nothing_where_the_clock_was_set_either(
    records: list[Record], clocks: list[int], data: st.DataObject
) -> None:
    """Each value of the clock is met once at most: `hours` never repeats, forward or back."""
    cut_and_compare(first, [_set(record, hours) for record, hours in zip(records, _hours(clocks), strict=False)], data)


def _hours(clocks: list[int]) -> Iterator[int]:
    """In which hour each record lies: now and then a step of the clock to one that was not there before."""
    furthest = 0
    hour = 0
    for step in clocks:
        if step:
            furthest += 1
            hour = furthest if step == 1 else -furthest
        yield hour


def _set(record: Record, hours: int) -> Record:
    assert isinstance(record, ReadingBatch)
    shift_us = (10 + hours % 100) * 3_600_000_000
    times = tuple(time_us and time_us + shift_us for time_us in record.device_times_us)
    return replace(record, gateway_time_us=record.gateway_time_us + shift_us, device_times_us=times)


@given(streams(), st.data())
@settings(deadline=None)
def test_silence_decides_when_and_never_what(records: list[Record], data: st.DataObject) -> None:
    listened_us = 0

    def now(_: int) -> int | None:
        nonlocal listened_us
        waited_us = data.draw(st.sampled_from([None, None, micros(10.0), FOREVER]), label="waited")
        listened_us += waited_us or 0
        return None if waited_us is None else listened_us

    whole, cut = Log(first), Log(first, lag=2)
    whole.run(records, len(records), lambda n: FOREVER if n == len(records) - 1 else None)
    cut.run(records, len(records) // 2, now)
    del cut.out[data.draw(st.integers(0, len(cut.out)), label="written") :]
    cut.run([*records], len(records), lambda n: listened_us + FOREVER if n == len(records) - 1 else now(n))
    content = [
        {key: repr(window).replace(f"revision={window.revision},", "") for key, window in log.final().items()}
        for log in (whole, cut)
    ]
    assert content[0] == content[1]
