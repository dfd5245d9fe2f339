"""Equal looks prove that nothing was appended; anything else never looks equal."""

import os
import time
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.gateway.log_growth import LogGrowth
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition

FIRST, SECOND = "00000000000000000000.log", "00000000000000000100.log"
PLACE = Partition("audit_trail")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for topic in ("telemetry.raw-0", "telemetry.clean-0"):
        (tmp_path / topic).mkdir()
        (tmp_path / topic / FIRST).write_bytes(b"batch")
    (tmp_path / "meta.properties").touch()
    return tmp_path


def append(path: Path, content: bytes = b"batch") -> None:
    with path.open("ab") as file:
        file.write(content)


def test_an_idle_log_looks_the_same(data: Path) -> None:
    growth = LogGrowth(data)
    looks = {growth.look() for _ in range(4)}
    assert len(looks) == 1
    assert None not in looks


@pytest.mark.parametrize("looks_before", [1, 2, 3])
def test_an_append_shows_at_once(data: Path, looks_before: int) -> None:
    growth = LogGrowth(data)
    before = [growth.look() for _ in range(looks_before)]
    append(data / "telemetry.raw-0" / FIRST, b"x")
    assert growth.look() != before[-1]


def test_a_new_segment_shows_and_so_do_the_appends_to_it(data: Path) -> None:
    growth = LogGrowth(data)
    before = [growth.look() for _ in range(3)]
    (data / "telemetry.raw-0" / SECOND).touch()
    rolled = [growth.look() for _ in range(3)]
    append(data / "telemetry.raw-0" / SECOND)
    assert len({before[-1], rolled[-1], growth.look()}) == 3


def test_a_new_topic_shows_and_so_do_the_appends_to_it(data: Path) -> None:
    growth = LogGrowth(data)
    before = [growth.look() for _ in range(3)]
    (data / "alarms.raw-0").mkdir()
    (data / "alarms.raw-0" / FIRST).touch()
    made = [growth.look() for _ in range(3)]
    append(data / "alarms.raw-0" / FIRST)
    assert len({before[-1], made[-1], growth.look()}) == 3


def test_a_segment_made_in_the_same_tick_as_the_listing_is_found_by_the_next_look(data: Path) -> None:
    """The time of a directory stands still for a tick of the kernel; here it is set back to what was seen."""
    growth, folder = LogGrowth(data), data / "telemetry.raw-0"
    growth.look()
    seen = folder.stat()
    (folder / SECOND).touch()
    os.utime(folder, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    before = growth.look()
    append(folder / SECOND)
    assert growth.look() != before


def test_settled_directories_are_not_listed_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growth = LogGrowth(data)
    growth.look()
    growth.look()

    def unexpected(path: Path) -> None:
        msg = f"{path} is listed again"
        raise AssertionError(msg)

    monkeypatch.setattr(os, "scandir", unexpected)
    assert growth.look() is not None


def test_a_log_that_is_not_there_yet_cannot_be_judged(tmp_path: Path) -> None:
    assert LogGrowth(tmp_path / "none").look() is None


def test_a_topic_that_goes_is_seen_to_have_gone(data: Path) -> None:
    growth = LogGrowth(data)
    before = [growth.look() for _ in range(3)]
    (data / "telemetry.raw-0" / FIRST).unlink()
    (data / "telemetry.raw-0").rmdir()
    assert growth.look() != before[-1]


@pytest.mark.broker
def test_what_the_broker_has_acknowledged_shows_and_an_idle_log_looks_the_same(broker: ThrowAwayBroker) -> None:
    growth = LogGrowth(broker.broker.data)
    producer = Producer(broker.connection("admin"), (PLACE.topic,))
    for number in range(50):
        before = growth.look()
        producer.send(PLACE, b"key", b"%d" % number, (), lambda _: None)
        assert producer.flush(10.0)
        assert growth.look() != before
    producer.close()
    deadline = time.monotonic() + 30.0
    while (before := growth.look()) is None or growth.look() != before:
        assert time.monotonic() < deadline
        time.sleep(0.5)
