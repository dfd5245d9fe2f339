"""How far back on the log a subscriber looks for what a peer may send again."""

from pathlib import Path

import pytest

from streamforge.adapters.epochs import EpochCount
from streamforge.adapters.repeats import MOST_BATCHES
from streamforge.adapters.subscriber import MOST_LOOKED
from streamforge.errors import Fatal
from tests.adapters.test_subscriber import Bench, Radio, batch


def test_after_a_kill_it_looks_back_for_as_many_records_as_may_have_been_on_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Radio, "can_wait", True)
    bench = Bench(tmp_path)
    bench.unit._epochs.closed[-1] = EpochCount(epoch=1, read=10, promised=1_010)
    few, many = {1: dict.fromkeys(range(10), 0)}, {1: dict.fromkeys(range(MOST_BATCHES), 0)}
    assert not bench.unit._is_tail_enough(few, 4_000)
    assert bench.unit._is_tail_enough(many, 4_000)
    assert bench.unit._is_tail_enough(few, MOST_LOOKED), "others have written that much"
    bench.unit._epochs.closed[-1] = EpochCount(epoch=1, read=10, promised=10)
    assert bench.unit._is_tail_enough(few, 4_000), "it had ended in order: nothing was on its way"
    bench.unit.close()


@pytest.mark.parametrize(("tail", "is_told"), [({}, True), ({1: {1: 5}}, False)])
def test_a_killed_process_whose_records_are_not_found_says_that_some_may_be_doubled(
    tail: dict[int, dict[int, int]], is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Radio, "can_wait", True)
    bench = Bench(tmp_path)
    bench.unit._epochs.closed[-1] = EpochCount(epoch=1, read=5, promised=1_005)
    bench.unit._meet_log(tail, {})
    text = bench.unit.metrics.text().decode()
    assert ('streamforge_errors_total{stage="tail",type="not_found"} 1.0' in text) is is_told
    bench.unit.close()


def test_where_an_earlier_epoch_stands_nothing_of_this_one_stands_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.radio.script.append(batch(1.0))
    bench.until(lambda: bool(bench.log.batches))
    assert bench.unit._outbox is not None
    epoch = bench.unit._outbox.epoch
    assert not bench.unit._is_tail_enough({}, 4_000), "it is on its way, and may stand further back"
    assert bench.unit._is_tail_enough({epoch: {1: 2}}, 4_000)
    assert bench.unit._is_tail_enough({epoch - 1: {900: 5_000}}, 4_000), "or the whole log would be read"
    bench.unit.close()


def test_a_state_directory_that_is_older_than_the_log_gives_no_number_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(Fatal, match="older than the log, which has epoch 7 of line"):
        bench.unit._meet_log({7: {1: 2}}, {})
    bench.unit.close()
    again = Bench(tmp_path)
    assert again.unit._outbox is not None
    assert again.unit._outbox.epoch > 7
    again.unit._meet_log({7: {1: 2}}, {})
    again.unit._meet_log({again.unit._outbox.epoch: {1: 2}, 7: {1: 2}}, {})
    again.unit.close()
