"""The thread that syncs: when it does, when it need not, and what those who wait are told."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from streamforge.errors import NotConnected
from streamforge.gateway import sync_worker
from streamforge.gateway.sync_worker import SyncWorker, Work

PATIENCE_SECONDS = 20.0


class Disk:
    """A disk whose syncs can be made to fail or to hang, and a log that can grow."""

    def __init__(self) -> None:
        self.size: int | None = 0
        self.began: list[int] = []
        self.done = self.skipped = self.failed = 0
        self.error: OSError | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.worker = SyncWorker(
            Work(
                sync=self._sync,
                look=lambda: self.size,
                done=self._count("done"),
                skipped=lambda: self._count("skipped")(0.0),
                failed=self._count("failed"),
            )
        )

    def _count(self, name: str) -> Callable[[object], None]:
        return lambda _: setattr(self, name, getattr(self, name) + 1)

    def _sync(self) -> None:
        self.began.append(time.monotonic_ns())
        self.answers.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    disk.worker.start()
    yield disk
    disk.answers.set()
    assert disk.worker.stop(PATIENCE_SECONDS)


def test_it_syncs_at_once_and_then_rests_while_nothing_is_written(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 3)
    assert len(disk.began) == 1


def test_what_was_written_is_synced_and_only_once(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    disk.size = 1
    disk.until(lambda: disk.done >= 2)
    skipped = disk.skipped
    disk.until(lambda: disk.skipped >= skipped + 2)
    assert len(disk.began) == 2


def test_a_log_that_cannot_be_seen_is_synced_every_time(disk: Disk) -> None:
    disk.size = None
    disk.until(lambda: disk.done >= 4)


def test_what_is_written_during_a_sync_is_not_taken_for_synced(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    disk.answers.clear()
    disk.size = 1
    disk.until(lambda: len(disk.began) == 2)
    disk.size = 2
    disk.answers.set()
    disk.until(lambda: disk.skipped >= 3)
    assert len(disk.began) == 3


def test_for_what_no_look_shows_there_is_a_sync_now_and_then(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.until(lambda: disk.skipped >= 1)
    monkeypatch.setattr(sync_worker, "REST_NS", sync_worker.PERIOD_NS)
    disk.until(lambda: disk.done >= 3)


def test_slots_that_a_long_sync_took_are_left_out(disk: Disk) -> None:
    disk.size = None
    disk.answers.clear()
    disk.until(lambda: len(disk.began) > disk.done)
    time.sleep(sync_worker.PERIOD_NS * 4 / 1e9)
    disk.answers.set()
    began = len(disk.began)
    disk.until(lambda: len(disk.began) >= began + 3)
    gaps = [(after - before) / sync_worker.PERIOD_NS for before, after in zip(disk.began, disk.began[1:], strict=False)]
    assert min(gaps[began:]) > 0.5


def test_who_waits_gets_a_sync_that_began_afterwards_though_nothing_was_seen_to_be_written(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    since_ns = time.monotonic_ns()
    assert disk.worker.wait(since_ns, PATIENCE_SECONDS) >= since_ns
    assert len(disk.began) == 2


def test_who_waits_has_the_next_sync_begin_at_once_and_all_who_wait_share_it(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    since_ns = time.monotonic_ns()
    disk.answers.clear()
    with ThreadPoolExecutor() as others:
        told = [others.submit(disk.worker.wait, since_ns, PATIENCE_SECONDS) for _ in range(5)]
        disk.until(lambda: len(disk.began) == 2)
        disk.answers.set()
        assert len({one.result() for one in told}) == 1
    assert disk.began[1] - since_ns < sync_worker.PERIOD_NS / 2
    assert len(disk.began) == 2


def test_syncs_that_somebody_waits_for_keep_a_distance(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    for _ in range(5):
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)
    gaps_ns = [after - before for before, after in zip(disk.began, disk.began[1:], strict=False)]
    assert min(gaps_ns) > 0.9 * sync_worker.LEAST_NS
    assert max(gaps_ns[1:]) < sync_worker.PERIOD_NS


def test_after_a_failure_it_goes_on_at_its_own_pace_though_somebody_had_waited(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(NotConnected, match="Input/output error"):
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)
    disk.until(lambda: disk.failed >= 3)
    assert disk.began[-1] - disk.began[-2] > sync_worker.PERIOD_NS / 2


def test_a_sync_that_began_before_is_none_for_who_waits(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    disk.answers.clear()
    disk.size = 1
    disk.until(lambda: len(disk.began) == 2)
    since_ns = time.monotonic_ns()
    with pytest.raises(NotConnected, match=r"within 0\.2 s: the disk has not answered for"):
        disk.worker.wait(since_ns, 0.2)
    disk.answers.set()
    assert disk.worker.wait(since_ns, PATIENCE_SECONDS) == pytest.approx(disk.began[2], abs=1e8)


def test_what_a_sync_covers_already_is_answered_at_once(disk: Disk) -> None:
    since_ns = time.monotonic_ns()
    barrier_ns = disk.worker.wait(since_ns, PATIENCE_SECONDS)
    assert disk.worker.wait(since_ns, 0.0) == barrier_ns


def test_after_a_failure_nobody_is_told_that_the_disk_has_it_though_later_syncs_end_well(disk: Disk) -> None:
    """The kernel drops what it could not write; the next sync says nothing of it."""
    disk.until(lambda: disk.skipped >= 1)
    disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    disk.size = 1
    disk.until(lambda: disk.failed >= 1)
    disk.error = None
    disk.until(lambda: disk.done >= 2)
    with pytest.raises(NotConnected, match="refused to write: Input/output error"):
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)
    assert disk.worker.progress().refused == "Input/output error"


def test_a_failure_is_told_to_who_waits_at_once(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(NotConnected, match="Input/output error"):
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)


def test_the_state_of_a_hanging_sync_can_be_asked(disk: Disk) -> None:
    disk.until(lambda: disk.skipped >= 1)
    assert disk.worker.progress().age_seconds() < PATIENCE_SECONDS
    disk.answers.clear()
    disk.size = 1
    disk.until(lambda: disk.worker.progress().busy_seconds() > 0.2)
    assert disk.worker.is_alive()


def test_the_end_is_a_last_sync_even_where_nothing_was_seen_to_be_written() -> None:
    disk = Disk()
    disk.worker.start()
    disk.until(lambda: disk.skipped >= 1)
    assert disk.worker.stop(PATIENCE_SECONDS)
    assert len(disk.began) == 2


def test_the_end_does_not_wait_for_a_disk_that_hangs_and_who_waits_is_told() -> None:
    disk = Disk()
    disk.answers.clear()
    disk.worker.start()
    disk.until(lambda: len(disk.began) == 1)
    assert not disk.worker.stop(0.1)
    disk.answers.set()
    with suppress(NotConnected):  # the last sync may still have come in time
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)
    assert disk.worker.stop(PATIENCE_SECONDS)
    with pytest.raises(NotConnected, match="the unit stops"):
        disk.worker.wait(time.monotonic_ns(), PATIENCE_SECONDS)
