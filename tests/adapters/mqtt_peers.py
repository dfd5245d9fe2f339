"""Peers of the mqtt adapter: a real mosquitto on a free port, a publisher, and an inbox that tells when it has what."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from streamforge.adapters.base import Batch, Refused
from streamforge.gateway.process import die_with_parent
from streamforge.gateway.throwaway import free_port
from streamforge.model import Alarm, Event

START_SECONDS = 10.0
MOSQUITTO = next((path for path in ("/usr/sbin/mosquitto", "/usr/bin/mosquitto") if Path(path).exists()), "mosquitto")


@dataclass
class Mosquitto:
    """One broker with a configuration of its own; `restart` keeps its sessions in `directory`."""

    directory: Path
    extra: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        file = self.directory / "mosquitto.conf"
        extra = self.extra or "allow_anonymous true"
        file.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {self.directory}/\n"
            f"max_queued_messages 0\nmax_packet_size 20000000\nlog_type error\nuser root\n{extra}\n"
        )
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(file)],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
            env={**os.environ, "LC_ALL": "C"},
        )
        wait_for(self._is_there, "mosquitto")

    def _is_there(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "mosquitto has ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """It writes its sessions to disk."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@contextmanager
def mosquitto(directory: Path, extra: str = "") -> Iterator[Mosquitto]:
    """A running one."""
    broker = Mosquitto(directory, extra)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def wait_for(is_so: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


class Publisher:
    """Publishes and waits until the broker has taken it (QoS 1), or has at least been sent it."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(500)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False) -> None:
        """One message."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def send_all(self, messages: Sequence[tuple[str, str | bytes]]) -> None:
        """Many of QoS 1, then wait for all."""
        infos = [self._client.publish(topic, payload, 1) for topic, payload in messages]
        for info in infos:
            info.wait_for_publish(20)


@dataclass
class Box:
    """An inbox: what came, and `acknowledge` for what the log would say. With `is_held` nothing is acknowledged."""

    is_held: bool = False
    batches: list[Batch] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    signals: list[Event | Alarm] = field(default_factory=list)
    dones: list[Callable[[], None]] = field(default_factory=list)

    async def put(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._later(batch.done)

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._later(batch.done)

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = lambda: None) -> None:
        self.signals.append(signal)
        self._later(done)

    def refuse(self, refused: Refused, done: Callable[[], None] = lambda: None) -> None:
        self.refused.append(refused)
        self._later(done)

    def _later(self, done: Callable[[], None]) -> None:
        self.dones.append(done)
        if not self.is_held:
            self.acknowledge()

    def acknowledge(self, count: int | None = None) -> None:
        """The log has the oldest `count`, or all."""
        dones, self.dones = self.dones[:count], self.dones[len(self.dones) if count is None else count :]
        for done in dones:
            done()

    @property
    def readings(self) -> list[tuple[str, str, object]]:
        """Asset, parameter, value of every reading."""
        return [
            (one.asset_id, parameter, one.others.get(index, one.values[index]))
            for one in self.batches
            for index, parameter in enumerate(one.names.parameters)
        ]
