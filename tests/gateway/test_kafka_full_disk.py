"""A full disk: no broker is started on it, and the ballast is made again as soon as there is room."""

import errno
from pathlib import Path

import pytest

from streamforge import logs
from streamforge.bus.connection import Connection
from streamforge.errors import Fatal
from streamforge.gateway import start_room
from streamforge.gateway.broker import Broker
from streamforge.gateway.doctor import ballast, metadata_copy
from streamforge.gateway.doctor.ballast import Room
from streamforge.gateway.doctor.keeper import Keeper
from streamforge.gateway.kafka_supervisor import KafkaSupervisor
from streamforge.gateway.start_room import wait_for_room
from streamforge.health import State
from tests.gateway.small_files import log_directory

MIB = 1024 * 1024
ENOUGH = Room(16 * MIB, 1000 * MIB)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_room, "ROOM_SECONDS", 0.0)


def rooms(monkeypatch: pytest.MonkeyPatch, *seen: Room) -> None:
    """One look after the other; the last stays."""
    left = list(seen)
    monkeypatch.setattr(ballast, "room", lambda _: left.pop(0) if len(left) > 1 else left[0])


def test_it_waits_for_room_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up()
    rooms(monkeypatch, *[Room(15 * MIB, 1000 * MIB)] * 4, ENOUGH)
    said: list[str] = []
    wait_for_room(tmp_path / "kafka", said.append)
    assert said == ["the disk is full, the broker waits for room: 15 of 1000 MiB are free"] * len(said)
    assert said
    lines = capsys.readouterr().err
    assert lines.count('"disk_full"') == lines.count('"disk_has_room"') == 1


def test_with_room_there_is_nothing_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms(monkeypatch, ENOUGH)
    said: list[str] = []
    wait_for_room(tmp_path / "kafka", said.append)
    assert said == []


def test_a_disk_that_has_no_room_for_the_copy_of_the_metadata_is_full_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms(monkeypatch, ENOUGH)
    answers: list[OSError | None] = [OSError(errno.ENOSPC, "full"), None]

    def keep(_: Path) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    monkeypatch.setattr(metadata_copy, "keep", keep)
    said: list[str] = []
    wait_for_room(tmp_path / "kafka", said.append)
    assert len(said) == 1


def test_where_the_metadata_cannot_be_copied_for_another_reason_the_broker_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(_: Path) -> None:
        raise OSError(errno.EIO, "a bad sector")

    rooms(monkeypatch, ENOUGH)
    monkeypatch.setattr(metadata_copy, "keep", keep)
    wait_for_room(tmp_path / "kafka", lambda _said: pytest.fail("it waits"))


@pytest.fixture
def supervisor(tmp_path: Path) -> KafkaSupervisor:
    broker = Broker(data=tmp_path / "kafka" / "data", credentials=tmp_path, work=tmp_path)
    return KafkaSupervisor(broker, Connection(bootstrap="127.0.0.1:1", username="kafka", password="x", client_id="x"))


def test_while_it_waits_the_unit_is_unhealthy(supervisor: KafkaSupervisor) -> None:
    supervisor._wait("the disk is full")
    assert (supervisor.health().state, supervisor.status()) == (State.UNHEALTHY, "the disk is full")


def test_a_broker_that_emptied_its_metadata_does_not_go_on(
    supervisor: KafkaSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor._expect_metadata()
    monkeypatch.setattr(metadata_copy, "is_lost", lambda _: True)
    with pytest.raises(Fatal):
        supervisor._expect_metadata()


def test_once_it_serves_the_copy_of_its_metadata_goes(tmp_path: Path) -> None:
    place = tmp_path / "copies" / metadata_copy.DIRECTORY
    place.mkdir(parents=True)
    log_directory(tmp_path / "data")
    Keeper(tmp_path).served()
    assert not place.exists()


def test_a_broker_that_serves_gets_a_new_ballast_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_directory(tmp_path / "data")
    rooms(monkeypatch, Room(100 * MIB, 1000 * MIB), Room(900 * MIB, 1000 * MIB))
    keeper = Keeper(tmp_path)
    keeper.look()
    assert not (tmp_path / ballast.FILE).exists()
    keeper._next = 0.0
    keeper.look()
    assert (tmp_path / ballast.FILE).stat().st_size == ballast.BYTES
