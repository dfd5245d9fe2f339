"""The appliance under test with its simulated plant: what its units say, waits on conditions, and the judge's word."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamforge.health import ask
from tests.appliance.container import REPOSITORY, Container
from tests.appliance.demo import wait_for_flow
from tests.appliance.judge import Verdict
from tests.appliance.judge import ask as ask_judge

KAFKA, SYNCD, WEB, SIM = "kafka", "streamforge-syncd", "streamforge-web", "streamforge-sim"
OVERFLOW = "streamforge-overflow"
ADAPTER, SINK = "streamforge-adapter-modbus-tcp@plant", "streamforge-sink-file@export"
VALIDATOR, AGGREGATOR = "streamforge-transform-validator", "streamforge-transform-aggregator"
UNITS = (KAFKA, SYNCD, ADAPTER, VALIDATOR, AGGREGATOR, SINK, WEB)
GENERATION = "/var/lib/streamforge/config/current"
PLANT_TOML = "adapters/modbus-tcp/plant.toml"
BACK_SECONDS = 60.0
POLL_SECONDS = 0.1
LOAD_INTERVAL_MS = 100


class Plant:
    """One booted container and the questions that the tests ask it."""

    def __init__(self, container: Container) -> None:
        self.container = container

    @property
    def root(self) -> Path:
        """The container's root directory, from the host."""
        return Path(f"/proc/{self.container.leader}/root")

    def shell(self, text: str, *, code: int | None = 0) -> str:
        """Run a shell command inside, expecting this exit code (None = any); both outputs."""
        done = self.container.run("sh", "-c", text, timeout_seconds=120)
        assert code is None or done.returncode == code, f"{text}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def health(self, unit: str) -> dict[str, Any]:
        """What the unit says of itself. Raises OSError while it does not answer."""
        answer: dict[str, Any] = json.loads(ask(self.root / f"run/streamforge/{unit}.sock"))
        return answer

    def show(self, unit: str, name: str) -> str:
        """One property of a unit, as systemd has it."""
        return self.container.properties(f"{unit}.service", name).get(name, "")

    def status(self) -> dict[str, dict[str, Any]]:
        """`streamforge status --json`, which is what the page shows, by unit."""
        overview = json.loads(self.container.run("streamforge", "status", "--json", "--seconds", "0").stdout)
        return {view["unit"]: view for view in overview["units"]}

    def status_text(self) -> str:
        """What a person sees."""
        return self.container.run("streamforge", "status", "--seconds", "0").stdout

    def ledger(self) -> dict[str, Any]:
        """`streamforge ledger --json`."""
        done = self.container.run("streamforge", "ledger", "--json")
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        return found

    def events(self, unit: str, name: str, cursor: str = "") -> list[dict[str, Any]]:
        """The unit's own journal lines of that constant event name, decoded; only those after `cursor`."""
        words = [f"--unit={unit}.service", *([f"--after-cursor={cursor}"] if cursor else [])]
        texts = [str(entry["MESSAGE"]) for entry in self.container.journal(*words)]
        lines = [json.loads(text) for text in texts if text.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def cursor(self) -> str:
        """The end of the journal now."""
        return str(self.container.journal("--lines=1")[-1]["__CURSOR"])

    def wait(self, what: str, is_so: Callable[[], object], seconds: float = BACK_SECONDS) -> float:
        """Wait for a condition; how long it took. A unit that does not answer has not fulfilled it yet."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            try:
                if is_so():
                    return time.monotonic() - started
            except (OSError, ValueError):
                pass
            time.sleep(POLL_SECONDS)
        state = self.shell("systemctl list-units --all 'streamforge-*.service' kafka.service; journalctl -n 40 -o cat")
        raise AssertionError(f"waited {seconds:g} s for {what}\n{state}")

    def main_process(self, unit: str) -> int:
        """The unit's main process, by its number on the host; 0 = none."""
        inside = self.show(unit, "MainPID")
        for process in self.processes(unit):
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
            if f"\t{inside}\n" in next(line + "\n" for line in status.splitlines() if line.startswith("NSpid")):
                return process
        return 0

    def processes(self, unit: str) -> list[int]:
        """Every process of the unit, by its number on the host."""
        group = self.show(unit, "ControlGroup")
        try:
            text = (self.root / f"sys/fs/cgroup{group}/cgroup.procs").read_text(encoding="ascii") if group else ""
        except OSError:
            return []
        return [int(word) for word in text.split()]

    def jvm(self) -> int:
        """The broker's JVM, by its number on the host."""
        return next(p for p in self.processes(KAFKA) if Path(f"/proc/{p}/comm").read_text().strip() == "java")

    def signal(self, process: int, number: signal.Signals) -> None:
        """Send a signal to a process that the container has."""
        os.kill(process, number)

    def is_active(self, unit: str) -> bool:
        """Whether systemd calls it running."""
        return self.show(unit, "ActiveState") == "active"

    def is_well(self, unit: str) -> bool:
        """Whether it runs and says that nothing is wrong."""
        return self.is_active(unit) and bool(self.health(unit)["state"] == "HEALTHY")

    def delivered(self, unit: str = SINK) -> int:
        """Readings that a sink says its target holds."""
        progress = self.health(unit)["details"]["progress"]
        return sum(row[2] for row in json.loads(progress)["counts"]) if progress else 0

    def wait_for_work(self, readings: int = 300) -> None:
        """Wait until every unit is well and that many more readings arrive."""
        for unit in UNITS:
            self.wait(f"{unit} to be well", lambda unit=unit: self.is_well(unit))  # type: ignore[misc]
        before = self.delivered()
        self.wait("readings to flow", lambda: self.delivered() > before + readings)

    def assert_balanced(self) -> None:
        """The product's own account holds."""
        found = self.ledger()
        assert found.get("balanced") is True, found

    @contextmanager
    def at_rest(self) -> Iterator[Verdict]:
        """Stop reading, let everything arrive, and let the judge count; the adapter runs again afterwards."""
        self.shell(f"systemctl stop '{ADAPTER}.service'")
        try:
            deadline = time.monotonic() + BACK_SECONDS
            while not (verdict := ask_judge(self.container)).is_complete and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            yield verdict
        finally:
            self.shell(f"systemctl start '{ADAPTER}.service'")

    def assert_nothing_lost_or_doubled(self) -> Verdict:
        """The judge's count of everything, once it has arrived."""
        with self.at_rest() as verdict:
            assert verdict.faults() == {}, verdict
            assert verdict.windows["telemetry.1s"] > 0
        return verdict


@contextmanager
def under_load(*, live: bool = False) -> Iterator[Plant]:
    """A booted appliance whose adapter reads the simulated plant ten times as often as in the demo."""
    with Container(live=live) as container:
        wait_for_flow(container)
        plant = Plant(container)
        if live:
            shutil.copytree(REPOSITORY / "units", plant.root / "run/systemd/system", dirs_exist_ok=True)
            plant.shell("systemctl daemon-reload")
        edit = f"s/^poll_interval_ms = .*/poll_interval_ms = {LOAD_INTERVAL_MS}/"
        plant.shell(f"cp -rL /etc/streamforge /run/load && sed -i '{edit}' /run/load/{PLANT_TOML}")
        plant.shell("streamforge apply /run/load")
        plant.wait("the adapter", lambda: plant.is_well(ADAPTER))
        yield plant
