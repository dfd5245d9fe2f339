"""What the service manager hears."""

import socket
from pathlib import Path

import pytest

from streamforge.notify import Notifier


def test_a_status_arrives_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify")
        Notifier().status("Öffnet 3 Pumpen für 5 €")
        assert manager.recv(4096).decode() == "STATUS=Öffnet 3 Pumpen für 5 €"


def test_a_failure_carries_an_error_number_by_which_it_is_told_from_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify")
        Notifier().failing("the broker refuses\nit")
        assert manager.recv(4096).decode() == "STATUS=the broker refuses\nERRNO=5"


def test_nobody_listening_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()


def test_a_manager_that_went_away_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        notifier = Notifier()
    notifier.ready()
