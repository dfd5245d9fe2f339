"""A full disk: no broker is started on it, and the ballast is made again as soon as there is room."""

from pathlib import Path

import pytest

from streamforge import logs
from streamforge.bus.connection import Connection
from streamforge.gateway import kafka_supervisor
from streamforge.gateway.broker import Broker
from streamforge.gateway.doctor import ballast
from streamforge.gateway.doctor.ballast import Room
from streamforge.gateway.doctor.keeper import Keeper
from streamforge.gateway.kafka_supervisor import KafkaSupervisor
from streamforge.health import State
from tests.gateway.small_files import log_directory

MIB = 1024 * 1024
ENOUGH = Room(16 * MIB, 1000 * MIB)


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KafkaSupervisor:
    monkeypatch.setattr(kafka_supervisor, "ROOM_SECONDS", 0.0)
    broker = Broker(data=tmp_path / "kafka" / "data", credentials=tmp_path, work=tmp_path)
    return KafkaSupervisor(broker, Connection(bootstrap="127.0.0.1:1", username="kafka", password="x", client_id="x"))


def test_it_waits_for_room_and_says_so(
    supervisor: KafkaSupervisor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up()
    seen: list[str] = []

    def room(_: Path) -> Room:
        seen.append(f"{supervisor.health().state}: {supervisor.status()}")
        return ENOUGH if len(seen) > 4 else Room(15 * MIB, 1000 * MIB)

    monkeypatch.setattr(ballast, "room", room)
    supervisor._wait_for_room()
    assert f"{State.UNHEALTHY}: the disk is full, the broker waits for room: 15 of 1000 MiB are free" in seen
    assert supervisor.health().state == State.HEALTHY
    lines = capsys.readouterr().err
    assert lines.count('"disk_full"') == lines.count('"disk_has_room"') == 1


def test_with_room_there_is_nothing_to_wait_for(supervisor: KafkaSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballast, "room", lambda _: ENOUGH)
    supervisor._wait_for_room()
    assert "full" not in supervisor.status()


def test_a_broker_that_serves_gets_a_new_ballast_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_directory(tmp_path / "data")
    rooms = [Room(100 * MIB, 1000 * MIB), Room(900 * MIB, 1000 * MIB)]
    monkeypatch.setattr(ballast, "room", lambda _: rooms.pop(0))
    keeper = Keeper(tmp_path)
    keeper.look()
    assert not (tmp_path / ballast.FILE).exists()
    keeper._next = 0.0
    keeper.look()
    assert (tmp_path / ballast.FILE).stat().st_size == ballast.BYTES
