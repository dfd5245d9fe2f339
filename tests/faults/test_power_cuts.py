"""Power cuts under a running broker: what the disk had is all that comes back.

Each case stands in `cases.py`. STREAMFORGE_SEED repeats the moments and the traffic of a run; a failure names its seed.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.bus.reader import Reader, stored
from streamforge.incarnations import FILE
from streamforge.model import ReadingBatch
from streamforge.progress import Partition, Position, Progress
from streamforge.sinks.tally import Tally
from tests.faults import log
from tests.faults.cases import ALARMS, NO_BARRIER, READINGS_ALONE, SHIPPED, SHIPPED_ON_A_CACHE, TELEMETRY, Case
from tests.faults.invariants import Standing, breaches, skipped
from tests.faults.mounts import obstacle
from tests.faults.plant import Stream
from tests.faults.rig import Rig, rig
from tests.faults.rounds import Outcome, Run, examine, play, run

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

SEED = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)
PROMISED = {bound.topic: bound for bound in SHIPPED.bounds}
MORE = 50


@contextmanager
def site_of(case: Case) -> Iterator[Rig]:
    """A broker on a disk of our own, formatted, with the shipped topics."""
    if reason := obstacle():
        pytest.skip(f"no power can be cut here: {reason}")
    with rig(has_cache=case.has_cache) as made:
        yield made


@pytest.fixture(scope="module")
def site() -> Iterator[Rig]:
    """The site of the cases without a cache."""
    with site_of(SHIPPED) as made:
        yield made


@pytest.fixture(scope="module")
def unprotected(site: Rig) -> Run:
    """A run without a barrier, cut twice."""
    return run(site, NO_BARRIER, SEED, 2)


def test_as_shipped_a_cut_loses_no_alarm_no_event_and_at_most_a_second_of_telemetry(site: Rig) -> None:
    assert_kept(play(site, SHIPPED, SEED, 2))


def test_where_no_alarm_has_a_sync_begin_a_cut_loses_a_second_of_telemetry_at_most_all_the_same(site: Rig) -> None:
    assert_kept(play(site, READINGS_ALONE, SEED, 1))


def test_the_same_holds_where_the_disk_loses_all_that_it_was_not_told_to_flush() -> None:
    with site_of(SHIPPED_ON_A_CACHE) as site:
        assert_kept(play(site, SHIPPED_ON_A_CACHE, SEED, 2))


def assert_kept(outcomes: list[Outcome]) -> None:
    """Every cut kept what its case promises."""
    assert [text for outcome in outcomes for text in outcome.breaches] == [], f"seed {SEED}: {outcomes}"


def test_without_a_barrier_seconds_of_telemetry_and_alarms_are_lost_and_the_judge_says_so(
    site: Rig, unprotected: Run
) -> None:
    """The control experiment: what would be seen if the protection did nothing, and nobody waited for it."""
    _, verdicts = examine(site, NO_BARRIER, unprotected.cuts[0], unprotected.truth)
    assert verdicts[TELEMETRY].lost > 0
    assert "F3" in " ".join(breaches(verdicts[TELEMETRY], PROMISED[TELEMETRY])), f"seed {SEED}: {verdicts}"
    assert "I3" in " ".join(breaches(verdicts[ALARMS], PROMISED[ALARMS])), f"seed {SEED}: {verdicts}"


def test_a_position_that_outlived_its_data_skips_new_records_and_the_judge_says_so(site: Rig, unprotected: Run) -> None:
    """The silent hole: a bare offset means other records after the cut, and Kafka tells nobody.

    This is how a log behaves under any reader that knows offsets alone; it stays true when positions name their
    incarnation, which is what keeps our own readers out of it.
    """
    cut = unprotected.cuts[1]
    site.recover(cut, TELEMETRY)
    read_up_to = 1 + max(one.offset for one in unprotected.truth[TELEMETRY] if one.at_seconds <= cut.began_seconds)
    end = log.end(site.admin, TELEMETRY)
    assert end < read_up_to
    new = Stream(site.admin, NO_BARRIER.traffic[0], epoch=2, seed=SEED)
    new.send(read_up_to - end + MORE)
    new.close()
    assert skipped(new.acknowledged, log.standing(site.admin, TELEMETRY, epoch=2, first=end)) == []
    resumed = log.standing(site.admin, TELEMETRY, epoch=2, first=read_up_to)
    assert skipped(new.acknowledged, resumed) == list(range(1, read_up_to - end + 1))
    assert len(resumed) == MORE


def test_our_own_readers_go_back_to_what_outlived_the_cut_and_skip_nothing(
    site: Rig, unprotected: Run, tmp_path: Path
) -> None:
    """The same hole: the doctor opens a new incarnation, and the position names the one before."""
    cut, place = unprotected.cuts[1], Partition(TELEMETRY)
    site.recover(cut, TELEMETRY, tmp_path)
    connection = replace(site.admin, incarnations_file=tmp_path / FILE)
    read_up_to = 1 + max(one.offset for one in unprotected.truth[TELEMETRY] if one.at_seconds <= cut.began_seconds)
    end = log.end(site.admin, TELEMETRY)
    assert connection.incarnations().opened[-1].firsts[place] == end, "the doctor sees what the broker finds"
    new = Stream(site.admin, NO_BARRIER.traffic[0], epoch=2, seed=SEED)
    new.send(read_up_to - end + MORE)
    new.close()
    reader = Reader(connection)
    tally = Tally(Progress(positions={place: Position(next_offset=read_up_to)}))
    assert tally.clamp(reader.incarnations, reader.ends([place])) == {place: end}
    first = tally.start(reader.starts([place]))[place]
    got = [stored(fetched) for fetched in reader.stretch(place, first, reader.ends([place])[place])]
    reader.close()
    read = [Standing(number=one.record.seq, offset=one.offset) for one in got if isinstance(one.record, ReadingBatch)]
    assert skipped(new.acknowledged, read) == []
    assert len(read) == len(new.acknowledged)
