"""What a sink has dealt with, counted."""

from streamforge.incarnations import Incarnations
from streamforge.model import ReadingBatch
from streamforge.progress import Counted, CountKey, Partition, Position, Progress, Stored
from streamforge.sinks.tally import MOST_EPOCHS, Tally
from tests.samples import batch

CLEAN = Partition("telemetry.clean")


def stored(offset: int, record: ReadingBatch) -> Stored:
    return Stored(partition=CLEAN, offset=offset, kafka_time_us=0, record=record)


def test_delivered_and_rejected_are_counted_by_adapter_and_epoch() -> None:
    tally = Tally(Progress())
    after = tally.after([
        stored(0, batch(1, values=(1.0, 2.0), rejected={"level": 1})),
        stored(1, batch(2, count_before=3, values=(1.0,))),
        stored(2, batch(1, epoch=2, values=(1.0,))),
    ])  # fmt: skip
    assert after.positions == {CLEAN: Position(next_offset=3)}
    assert after.counts == {
        CountKey("plant", 1): Counted(delivered=3, rejected=1, next_count=4, last_offset=1),
        CountKey("plant", 2): Counted(delivered=1, next_count=1, last_offset=2),
    }


def test_a_batch_that_was_not_written_leaves_the_progress_as_it_was() -> None:
    tally = Tally(Progress())
    tally.after([stored(0, batch())])
    assert tally.progress == Progress()


def test_readings_missing_without_a_hole_in_the_log_stay_missing() -> None:
    tally = Tally(Progress())
    tally.written(tally.after([stored(0, batch(values=(1.0,)))]))
    after = tally.after([stored(1, batch(9, count_before=50, values=(1.0,)))])
    assert after.counts[CountKey("plant", 1)] == Counted(delivered=2, evicted=0, next_count=51, last_offset=1)


def test_readings_missing_after_a_hole_in_the_log_were_evicted() -> None:
    tally = Tally(Progress())
    tally.written(tally.after([stored(0, batch(values=(1.0,)))]))
    tally.hole(CLEAN, 9)
    after = tally.after([stored(9, batch(9, count_before=50, values=(1.0,)))])
    assert after.counts[CountKey("plant", 1)] == Counted(delivered=2, evicted=49, next_count=51, last_offset=9)


def test_a_log_that_no_longer_begins_at_zero_has_lost_what_came_before() -> None:
    tally = Tally(Progress())
    assert tally.start({CLEAN: 700}) == {CLEAN: 700}
    after = tally.after([stored(700, batch(9, count_before=50, values=(1.0,)))])
    assert after.counts[CountKey("plant", 1)].evicted == 50


def test_a_hole_in_the_middle_of_a_batch_is_counted_and_again_when_the_write_is_repeated() -> None:
    tally = Tally(Progress())
    tally.hole(CLEAN, 9)
    batch_around = [stored(0, batch(values=(1.0,))), stored(9, batch(9, count_before=10, values=(1.0,)))]
    assert tally.after(batch_around).counts[CountKey("plant", 1)].evicted == 9
    assert tally.after(batch_around).counts[CountKey("plant", 1)].evicted == 9


def test_reading_goes_on_where_the_target_says() -> None:
    tally = Tally(Progress(positions={CLEAN: Position(next_offset=42)}))
    assert tally.start({CLEAN: 7}) == {CLEAN: 42}


def after_a_cut(end: int) -> Incarnations:
    return Incarnations().opening(opened_at_us=1, reason="power cut", firsts={CLEAN: end})


def test_a_position_that_outlived_its_data_goes_back_and_what_is_missing_there_was_evicted() -> None:
    tally = Tally(Progress())
    tally.written(tally.after([stored(8, batch(values=(1.0,))), stored(9, batch(2, count_before=1, values=(1.0,)))]))
    assert tally.clamp(after_a_cut(5), {CLEAN: 20}) == {CLEAN: 5}
    assert tally.start({CLEAN: 0}) == {CLEAN: 5}
    after = tally.after([stored(5, batch(9, count_before=50, values=(1.0,)))])
    assert after.positions == {CLEAN: Position(next_offset=6, incarnation=2)}
    assert after.counts[CountKey("plant", 1)] == Counted(delivered=3, evicted=48, next_count=51, last_offset=5)


def cut_tally(place: Partition = CLEAN, *others: Partition) -> Tally:
    """Two batches of one reading each were delivered, at offsets 8 and 9; the cut took both of them from the log."""
    tally = Tally(Progress())
    tally.written(tally.after([stored(8, batch(values=(1.0,))), stored(9, batch(2, count_before=1, values=(1.0,)))]))
    tally.clamp(after_a_cut(8), {CLEAN: 20})
    tally.start(dict.fromkeys((place, *others), 0))
    return tally


def test_batches_that_were_made_again_after_a_cut_are_passed_over() -> None:
    tally = cut_tally()
    again = [batch(values=(1.0,)), batch(2, count_before=1, values=(1.0,)), batch(3, count_before=2, values=(1.0,))]
    assert [tally.has(one) for one in again] == [True, True, False]
    assert not tally.has(again[1]), "after the first that is new, nothing is a repeat"
    assert not tally.has(batch(epoch=2, values=(1.0,)))


def test_what_is_passed_over_does_not_wait_any_more() -> None:
    tally = Tally(Progress(positions={CLEAN: Position(next_offset=4)}))
    assert tally.passed(stored(4, batch())).positions == {CLEAN: Position(next_offset=5)}


def test_of_several_partitions_each_knows_its_own_repeats() -> None:
    tally = cut_tally(CLEAN, Partition(CLEAN.topic, 1))
    assert not tally.has(batch(values=(1.0,)), 1)
    assert tally.has(batch(values=(1.0,)), 0)


def test_without_a_cut_nothing_is_a_repeat() -> None:
    tally = Tally(Progress())
    tally.written(tally.after([stored(0, batch(values=(1.0,)))]))
    tally.start({CLEAN: 0})
    assert not tally.has(batch(values=(1.0,)))


def test_a_position_before_the_cut_stays_and_names_the_new_incarnation() -> None:
    tally = Tally(Progress(positions={CLEAN: Position(next_offset=4)}))
    assert tally.clamp(after_a_cut(5), {CLEAN: 20}) == {}
    assert tally.progress.positions == {CLEAN: Position(next_offset=4, incarnation=2)}


def test_a_position_beyond_a_log_without_known_cut_goes_back_to_its_end() -> None:
    tally = Tally(Progress(positions={CLEAN: Position(next_offset=42)}))
    assert tally.clamp(Incarnations(), {CLEAN: 7}) == {CLEAN: 7}


def test_refused_records_are_rejected_and_passed_by() -> None:
    tally = Tally(Progress())
    after = tally.after([stored(0, batch(values=(1.0,)))], [stored(1, batch(2, count_before=1, values=(1.0, 1.0)))])
    assert after.positions == {CLEAN: Position(next_offset=2)}
    assert after.counts[CountKey("plant", 1)] == Counted(delivered=1, rejected=2, next_count=3, last_offset=1)


def test_only_the_newest_epochs_of_an_adapter_are_kept() -> None:
    tally = Tally(Progress())
    for epoch in range(1, MOST_EPOCHS + 4):
        tally.written(tally.after([stored(epoch, batch(epoch=epoch, values=(1.0,)))]))
    assert sorted(key.epoch for key in tally.progress.counts) == list(range(4, MOST_EPOCHS + 4))


def test_a_third_party_without_an_epoch_is_delivered_but_not_accounted() -> None:
    after = Tally(Progress()).after([stored(0, batch(epoch=0))])
    assert after.counts == {}
    assert after.positions == {CLEAN: Position(next_offset=1)}


def test_in_several_partitions_the_numbers_of_the_others_are_not_missing() -> None:
    first, second = CLEAN, Partition(CLEAN.topic, 1)
    tally = Tally(Progress())
    tally.start({first: 0, second: 0})
    after = tally.after([
        Stored(partition=first, offset=0, kafka_time_us=0, record=batch(1, count_before=0)),
        Stored(partition=first, offset=1, kafka_time_us=0, record=batch(3, count_before=6)),
        Stored(partition=second, offset=0, kafka_time_us=0, record=batch(2, count_before=3)),
    ])  # fmt: skip
    assert {key.partition: counted.delivered for key, counted in after.counts.items()} == {0: 6, 1: 3}
    assert not any(counted.evicted for counted in after.counts.values())


def test_a_hole_that_was_passed_is_kept_with_the_target_for_what_ended_in_it() -> None:
    tally = Tally(Progress())
    tally.written(tally.after([stored(0, batch(values=(1.0,)))]))
    tally.hole(CLEAN, 9)
    assert tally.progress.holes == {}, "not passed yet"
    tally.written(tally.after([stored(9, batch(epoch=2, values=(1.0,)))]))
    assert tally.progress.holes == {CLEAN: 9}


def test_a_hole_of_long_ago_excuses_nothing_later() -> None:
    tally = Tally(Progress(counts={CountKey("plant", 1): Counted(last_offset=20)}, holes={CLEAN: 9}))
    after = tally.after([stored(21, batch(count_before=50, epoch=2))])
    assert after.counts[CountKey("plant", 2)].evicted == 0


def test_a_hole_is_remembered_until_each_epoch_has_gone_on_after_it_also_by_the_next_process() -> None:
    tally = Tally(Progress())
    tally.hole(CLEAN, 1)
    before = [stored(0, batch(values=(1.0,))), stored(1, batch(adapter_id="boiler", values=(1.0,)))]
    tally.written(tally.after(before))
    again = Tally(Progress.from_json(tally.progress.to_json()))
    after = again.after([stored(2, batch(9, count_before=50, values=(1.0,)))])
    assert after.counts[CountKey("plant", 1)].evicted == 49
    more = again.after([stored(2, batch(9, adapter_id="boiler", count_before=50, values=(1.0,)))])
    assert more.counts[CountKey("boiler", 1)].evicted == 0, "this one was seen after the hole: its reading is missing"
