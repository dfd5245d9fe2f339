"""The judge can fail: a product with a known bug is caught within some schedules, and told in few faults."""

from collections.abc import Callable, Sequence
from random import Random
from unittest.mock import patch

import pytest

import streamforge.bus.producer
import streamforge.gateway.reconcile
import streamforge.transforms.stage
from streamforge.adapters.outbox import Outbox
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.incarnations import Incarnations
from streamforge.progress import Progress, Stored
from streamforge.sinks.tally import Tally
from streamforge.transforms.sides import Sides
from streamforge.transforms.stage import Stage
from tests.faults.simulated.faults import Fault, Kind, draw_schedule
from tests.faults.simulated.play import shrink
from tests.faults.simulated.schedule import Played, play_one
from tests.faults.simulated.targets import ExactSink

SCHEDULES = 80
# What is left of a drawn schedule of up to eight faults; what else stands in it changes when things happen.
FEW = 3
pytestmark = pytest.mark.timeout(300)


def often(kind: Kind, subject: str = "", amount: float = 0.0) -> Callable[[str], tuple[Fault, ...]]:
    """Schedules of one fault again and again, for what a drawn schedule seldom meets."""

    def drawn(seed: str) -> tuple[Fault, ...]:
        draw = Random(seed)
        moments = [2.5 * number + draw.uniform(0.0, 1.0) for number in range(1, 7)]
        return tuple(Fault(at=at, kind=kind, subject=subject, amount=amount, seed=f"{seed}:{at}") for at in moments)

    return drawn


def away_and_evicted(_seed: str) -> tuple[Fault, ...]:
    """What a sink has not read yet is evicted."""
    away = Fault(at=3.0, kind=Kind.TARGET_AWAY, subject="sink-exact", amount=8.0, seed="")
    return (away, Fault(at=9.0, kind=Kind.EVICTION, subject="telemetry.clean", amount=1.0, seed=""))


def caught(sign: str, drawn: Callable[[str], tuple[Fault, ...]] = draw_schedule) -> Played:
    """The first schedule that breaks a promise; it must be one of which `sign` is part."""
    for number in range(SCHEDULES):
        seed = f"mutation-{number}"
        played = play_one(seed, drawn(seed))
        if played.breaches:
            assert any(sign in breach for breach in played.breaches), played.breaches[:3]
            return shrink(seed, played)
    pytest.fail(f"not caught in {SCHEDULES} schedules")


def test_a_stage_that_forgets_its_mark_doubles() -> None:
    with patch.object(streamforge.transforms.stage, "last_mark", lambda *_: (None, 0)):
        assert len(caught("stand twice").faults) <= FEW


def test_a_stage_that_does_not_look_for_its_side_outputs_doubles_dead_letters() -> None:
    with patch.object(Sides, "stands", lambda *_: False):
        caught("stand twice in dead letters")


def test_a_stage_that_points_behind_side_outputs_of_later_inputs_doubles_dead_letters() -> None:
    with patch.object(Sides, "since", lambda self, _next_offset: dict(self._next)):
        caught("stand twice in dead letters", often(Kind.POWER_CUT))


def test_positions_that_are_not_clamped_after_a_cut_skip_readings() -> None:
    with patch.object(Incarnations, "clamp", lambda _self, _place, position: position):
        assert Kind.POWER_CUT in {fault.kind for fault in caught("I").faults}


def test_a_tally_that_delivers_what_was_made_again_doubles_at_the_sink() -> None:
    with patch.object(Tally, "has", lambda *_: False):
        caught("stand twice in the exact sink", often(Kind.POWER_CUT))


def test_a_sink_that_commits_its_position_before_the_data_loses_readings() -> None:
    def position_first(self: ExactSink, batch: Sequence[Stored], progress: Progress) -> None:
        self._reach()
        self._target.progress = progress
        self._answer()
        self._target.add(batch)

    with patch.object(ExactSink, "write", position_first):
        assert len(caught("I1").faults) <= FEW


def test_an_outbox_that_sends_everything_again_doubles_on_raw() -> None:
    recall = Outbox.recall
    with patch.object(Outbox, "recall", lambda self, _standing: recall(self, {})):
        caught("stand twice in raw")


def test_a_stage_that_does_not_wait_for_its_side_outputs_loses_dead_letters() -> None:
    def no_wait(self: Stage) -> bool:
        for due in self._due:
            self._send_main(due)
        self._due.clear()
        return True

    with patch.object(Stage, "finish", no_wait):
        caught("dead letters", often(Kind.KILL, "validator"))


def test_a_loss_that_is_not_told_is_silent() -> None:
    with patch.object(streamforge.gateway.reconcile, "losses", lambda *_, **__: []):
        assert Kind.POWER_CUT in {fault.kind for fault in caught("I2").faults}


def test_evicted_readings_that_nobody_counts_unbalance_the_ledger() -> None:
    with patch.object(Tally, "hole", lambda *_: None):
        caught("ledger", away_and_evicted)


def test_a_producer_that_acknowledges_at_once_breaks_the_promise() -> None:
    send = Producer.send

    def lies(self: Producer, *arguments: object) -> None:
        *rest, on_ack = arguments
        on_ack(0)  # type: ignore[operator]
        send(self, *rest, lambda _offset: None)  # type: ignore[arg-type, call-arg]

    with patch.object(Producer, "send", lies):
        caught("I1")


def test_a_report_that_is_acknowledged_before_the_disk_has_it_is_lost_with_the_next_cut() -> None:
    with patch.object(streamforge.bus.producer, "ON_DISK_FIRST", frozenset()):
        caught("of them reported", often(Kind.POWER_CUT))


def test_a_reader_that_skips_the_first_record_of_a_poll_is_caught_without_any_fault() -> None:
    poll = Reader.poll
    with patch.object(Reader, "poll", lambda self, timeout: poll(self, timeout)[1:]):
        assert caught("I1").faults == ()
