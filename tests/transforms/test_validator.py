"""Every record on raw has one on clean; what is wrong is marked or taken out, and a restart changes nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforge.config import load
from streamforge.model import Event, Quality, Reading, ReadingBatch, Record, Severity
from streamforge.progress import Partition, Stored
from streamforge.transforms import previous
from streamforge.transforms.base import Emit
from streamforge.transforms.rules import Action, Rule
from streamforge.transforms.validator import Validator, ValidatorConfig
from tests.transforms.cases import agrees, batch, expected, folders, inputs

RULES = (
    Rule(parameter="a", min=0.0, max=10.0, rate_per_second=1.0),
    Rule(parameter="b", min=2.0, max=8.0, action=Action.SUSPECT, rate_per_second=2.0),
)


def stored(offset: int, record: Record) -> Stored:
    return Stored(partition=Partition("telemetry.raw"), offset=offset, kafka_time_us=5, record=record)


def run(validator: Validator, records: list[Record], first: int = 0) -> list[Emit]:
    return [e for n, record in enumerate(records, first) for e in validator.apply(stored(n, record))]


@pytest.mark.parametrize("folder", folders("validator"), ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    validator = Validator(load(folder / "config.toml", ValidatorConfig))
    seen = [emit for record in inputs(folder, "telemetry.raw") for emit in validator.apply(record)]
    wanted = expected(folder)
    assert [agrees(emit, want) for emit, want in zip(seen, wanted, strict=True)] == wanted


def test_the_sample_is_a_configuration() -> None:
    config = load(Path(previous.__file__).parent / "validator.toml", ValidatorConfig)
    assert config.rate_memory_seconds == 60
    assert config.rules[0].rate_per_second == 5.0


def test_a_batch_with_nothing_wrong_is_not_even_copied() -> None:
    seen = batch(values={"a": 1.0, "b": 3.0}, at=1.0)
    (emit,) = run(Validator(ValidatorConfig(rules=RULES)), [seen])
    assert (emit.topic, emit.key) == ("telemetry.clean", "pump1")
    assert emit.record is seen


def test_the_dead_letter_comes_before_the_clean_batch_and_together_they_are_the_raw_one() -> None:
    letter, clean = run(Validator(ValidatorConfig(rules=RULES)), [batch(values={"a": 99.0, "b": 3.0}, at=1.0, seq=7)])
    assert (letter.topic, clean.topic) == ("dlq.telemetry", "telemetry.clean")
    assert isinstance(letter.record, ReadingBatch)
    assert isinstance(clean.record, ReadingBatch)
    assert letter.record.seq == clean.record.seq == 7
    assert len(letter.record) + len(clean.record) == 2
    assert clean.record.rejected == {"a": 1}


def test_a_rejected_reading_is_not_the_previous_one_of_the_next() -> None:
    records: list[Record] = [batch(values={"a": v}, at=t) for t, v in ((1.0, 1.0), (2.0, 99.0), (3.0, 2.0))]
    last = run(Validator(ValidatorConfig(rules=RULES)), records)[-1].record
    assert isinstance(last, ReadingBatch)
    assert last.quality(0) is Quality.GOOD


def test_a_previous_reading_serves_for_the_configured_time_only() -> None:
    records: list[Record] = [batch(values={"a": 0.0}, at=1.0), batch(values={"a": 9.5}, at=9.5)]
    assert len(run(Validator(ValidatorConfig(rules=RULES, rate_memory_seconds=8)), records)[-1].record.qualities) == 0  # type: ignore[union-attr]
    assert run(Validator(ValidatorConfig(rules=RULES, rate_memory_seconds=9)), records)[-1].record.qualities == b"\1"  # type: ignore[union-attr]


def test_a_much_later_record_of_any_asset_ends_the_memory() -> None:
    validator = Validator(ValidatorConfig(rules=RULES, rate_memory_seconds=5))
    times = (("x", 1.0, 1.0), ("y", 7.0, 1.0), ("x", 2.0, 9.0))
    records: list[Record] = [batch(asset=asset, values={"a": value}, at=at) for asset, at, value in times]
    assert run(validator, records)[-1].record.qualities == b""  # type: ignore[union-attr]


def test_without_rules_nothing_is_held() -> None:
    validator = Validator(ValidatorConfig())
    run(validator, [batch(values={"a": 1.0}, at=1.0)])
    assert validator.holding() is None


def test_what_is_held_follows_the_gateway_time() -> None:
    validator = Validator(ValidatorConfig(rules=RULES, rate_memory_seconds=10))
    run(validator, [batch(values={"a": 1.0}, at=float(t)) for t in range(100)])
    held = validator.holding()
    assert held is not None
    assert 88 <= held <= 90


def test_a_clock_that_steps_back_holds_a_bounded_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previous, "MOST_RECORDS", 50)
    monkeypatch.setattr(previous, "SEGMENT_RECORDS", 5)
    validator = Validator(ValidatorConfig(rules=RULES, rate_memory_seconds=10))
    run(validator, [batch(values={"a": 1.0}, at=10_000.0)])
    run(validator, [batch(values={"a": 1.0}, at=float(t)) for t in range(100)], first=1)
    held = validator.holding()
    assert held is not None
    assert held >= 40


def test_a_single_reading_without_gateway_time_takes_the_time_of_the_log() -> None:
    reading = Reading(asset_id="x", parameter="p", value=1, unit="", quality=Quality.GOOD, device_time_us=3)
    (emit,) = Validator(ValidatorConfig()).apply(stored(4, reading))
    assert isinstance(emit.record, ReadingBatch)
    assert (emit.record.gateway_time_us, emit.record.epoch, emit.record.seq) == (5, 0, 4)


def test_what_is_no_reading_goes_to_the_dead_letters_and_an_empty_batch_stands_for_it() -> None:
    event = Event(event_id="1", asset_id="x", type="t", severity=Severity.LOW, time_us=1, message="")
    letter, clean = Validator(ValidatorConfig()).apply(stored(0, event))
    assert letter.record is event
    assert isinstance(clean.record, ReadingBatch)
    assert len(clean.record) == 0


BATCHES = st.lists(
    st.builds(
        lambda asset, values, at, skew, bad, late: batch(
            asset=asset,
            values=values,
            at=at,
            device_times=[] if late is None else [at + skew + late * i for i in range(len(values))],
            qualities=[3 if i == bad else 0 for i in range(len(values))],
        ),
        st.sampled_from(["x", "y"]),
        st.dictionaries(st.sampled_from("abc"), st.none() | st.floats(-1, 11), min_size=1),
        st.integers(0, 40).map(float),
        st.integers(-2, 0),
        st.integers(0, 8),
        st.none() | st.integers(0, 1),
    ),
    max_size=40,
)


@given(BATCHES, st.data(), st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_restart_at_any_point_gives_the_same_outputs(records: list[Record], data: st.DataObject, sort: bool) -> None:
    """The main output written last carries position p and the hold as of any earlier group not yet acknowledged."""
    if sort:
        records.sort(key=lambda record: record.gateway_time_us)  # type: ignore[union-attr]
    config = ValidatorConfig(rules=RULES, rate_memory_seconds=5)
    whole = Validator(config)
    outputs, holds = [], []
    for offset, record in enumerate(records):
        outputs.append(_comparable(whole.apply(stored(offset, record))))
        held = whole.holding()
        holds.append(offset + 1 if held is None else held)
    position = data.draw(st.integers(0, len(records)))
    since = holds[data.draw(st.integers(0, position - 1))] if position else 0
    again = Validator(config)
    for offset in range(since, position):
        assert list(again.replay(stored(offset, records[offset]))) == []
    rest = [_comparable(again.apply(stored(n, records[n]))) for n in range(position, len(records))]
    assert rest == outputs[position:]


def _comparable(emits: object) -> list[str]:
    return [
        f"{e.topic} {e.record.names.parameters} {list(e.record.values)} {e.record.others} {list(e.record.qualities)}"
        f"{e.record.reasons} {e.record.rejected} {e.record.device_times_us}"
        for e in emits  # type: ignore[attr-defined]
    ]
