"""One suite for every adapter, transform and sink: what each must do as a unit, started from its own sample."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamforge.bench.site import Site
from streamforge.cli.find import kinds, sample
from streamforge.gateway.instances import Role
from streamforge.gateway.throwaway import ThrowAwayBroker

pytestmark = pytest.mark.broker

METRICS = (
    "streamforge_records_in_total", "streamforge_records_out_total",
    'streamforge_records_dropped_total{intentional="true"}', 'streamforge_records_dropped_total{intentional="false"}',
    "streamforge_connected", "streamforge_last_success_timestamp_seconds", "# TYPE streamforge_errors_total counter",
)  # fmt: skip
ADAPTERS_METRICS = (
    *(f"# TYPE streamforge_device_{name} " for name in (
        "requests_total", "errors_total", "request_seconds_total", "latency_seconds", "last_success_timestamp_seconds",
    )),
    'streamforge_signals_dropped_total{topic="alarms.raw"} 0.0', "streamforge_waiting_bytes",
)  # fmt: skip
LIBRARIES = {
    "pymodbus": "modbus", "asyncua": "opcua", "paho": "mqtt", "serial": "serial", "psycopg": "sql",
    "bottle": "web",
}  # fmt: skip
USES = {
    "modbus-rtu": {"serial"}, "mqtt": {"paho"}, "opcua": {"asyncua"}, "xbee": {"serial"}, "lora": {"serial"},
    "postgres": {"psycopg"}, "timescaledb": {"psycopg"},
}  # fmt: skip
SECRET = re.compile(r"\$\{secret:([^}]+)\}")


@dataclass(frozen=True)
class Unit:
    """One kind, as a unit under test."""

    role: Role
    kind: str

    @property
    def words(self) -> list[str]:
        """The command line after `streamforge`."""
        return [self.role.value, self.kind] + ([] if self.role is Role.TRANSFORM else ["sample"])

    @property
    def name(self) -> str:
        """The unit's name."""
        instance = "" if self.role is Role.TRANSFORM else "@sample"
        return f"streamforge-{self.role.value}-{self.kind}{instance}"

    @property
    def path(self) -> str:
        """Where its configuration stands in a generation."""
        return (
            f"transforms/{self.kind}.toml"
            if self.role is Role.TRANSFORM
            else f"{self.role.folder}/{self.kind}/sample.toml"
        )

    @property
    def principal(self) -> str:
        """Its Kafka user."""
        return f"{self.role.value}-{self.kind}"


UNITS = [Unit(role, kind) for role in Role for kind in kinds(role)]


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)

    def has_said(self, word: str) -> bool:
        """Whether a message with this word has come by now."""
        try:
            while True:
                self.said += self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return any(line.startswith(word) for line in self.said)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def site(tmp_path: Path, broker: ThrowAwayBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A gateway without units, whose credentials hold every secret that a sample names."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for unit in UNITS:
        for name in SECRET.findall(sample(unit.role, unit.kind).read_text()):
            (credentials / f"{unit.name}.{name}").write_text("0123456789abcdef" * 2)  # a password as well as a key
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    with Site(tmp_path, broker) as running:
        yield running


@pytest.fixture
def manager(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Listens to what units tell systemd."""
    listener = Manager(site.run / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(site.run / "notify"))
    yield listener
    listener.close()


def start(site: Site, unit: Unit, configuration: str | None = None) -> None:
    """Start the unit with its sample, or with this text."""
    text = sample(unit.role, unit.kind).read_text() if configuration is None else configuration
    site.write(unit.path, text)
    site.start(unit.name, unit.principal, *unit.words)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.role}-{unit.kind}")
def test_a_unit_lives_as_the_contract_says(site: Site, manager: Manager, unit: Unit) -> None:
    start(site, unit)
    site.wait_for("READY=1, though the peer may be away", lambda: manager.has_said("READY=1"))
    site.wait_for("the watchdog, fed by the work", lambda: manager.has_said("WATCHDOG=1"))
    site.wait_for("a status line", lambda: manager.has_said("STATUS="))
    health = site.health(unit.name)
    assert health["unit"] == unit.name
    assert health["state"] in {"HEALTHY", "DEGRADED"}
    assert health["status"]
    assert health["details"]["kind"] == unit.role.value
    metrics = site.metrics(unit.name)
    wanted = METRICS + (ADAPTERS_METRICS if unit.role is Role.ADAPTER else ())
    assert [name for name in wanted if name not in metrics] == []
    began = time.monotonic()
    assert site.stop(unit.name) == 0, site.logs()
    assert time.monotonic() - began < 10
    assert manager.has_said("STOPPING=1")
    assert not (site.run / f"{unit.name}.sock").exists()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.role}-{unit.kind}")
def test_a_wrong_key_is_refused_with_78_and_its_place(site: Site, unit: Unit) -> None:
    start(site, unit, "\n\nlimitz = 3\n" + sample(unit.role, unit.kind).read_text())
    assert site.processes.pop(unit.name).wait(30) == 78, site.logs()
    faults = (site.run / f"{unit.name}.faults.json").read_text()
    assert '"line": 3' in faults
    assert "limitz" in faults
    assert "limits" in faults


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.role}-{unit.kind}")
def test_a_reload_reads_the_configuration_again_and_keeps_the_old_one_where_it_is_bad(
    site: Site, manager: Manager, unit: Unit
) -> None:
    start(site, unit)
    site.wait_for("READY=1", lambda: manager.has_said("READY=1"))
    site.write(unit.path, "nonsense = true\n")
    site.processes[unit.name].send_signal(1)
    site.wait_for("RELOADING=1", lambda: manager.has_said("RELOADING=1"))
    site.wait_for("the fault", (site.run / f"{unit.name}.faults.json").exists)
    assert site.health(unit.name)["unit"] == unit.name
    site.write(unit.path, sample(unit.role, unit.kind).read_text())
    site.processes[unit.name].send_signal(1)
    site.wait_for("a good reload", lambda: not (site.run / f"{unit.name}.faults.json").exists())


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.role}-{unit.kind}")
def test_a_unit_loads_only_its_own_library(unit: Unit) -> None:
    code = (
        "import sys; from streamforge.cli import find; from streamforge.gateway.instances import Role;"
        f"find.component_class(Role.{unit.role.name}, {unit.kind!r});"
        f"import streamforge.cli.{unit.role.value}, streamforge.{unit.role.folder}.runner;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert set(loaded.stdout.split()) & set(LIBRARIES) - USES.get(unit.kind, set()) == set()
