"""A gateway without systemd: the real units as processes of their own, beside a throw-away broker, in one directory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

from streamforge.barrier import UNIT as SYNCD
from streamforge.errors import Fatal
from streamforge.gateway.process import die_with_parent
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.health import ask

START_SECONDS = 30.0
STOP_SECONDS = 15.0


class Site:
    """Units by name in `directory` (config/, state/<unit>/); a context manager that stops them all.

    Their output goes to <unit>.log in `output`, which is the same directory unless it is changed.
    """

    def __init__(self, directory: Path, broker: ThrowAwayBroker) -> None:
        self.directory = directory
        self.broker = broker
        self.output = directory
        self.config = directory / "config"
        # a socket's path has at most 107 bytes (unix(7)), which a directory of a test may well exceed
        self.run = Path(mkdtemp(prefix="sf-"))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.config.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def write(self, path: str, text: str) -> None:
        """Write one configuration file, by its path in the generation."""
        file = self.config / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def environment(self, unit: str, principal: str) -> dict[str, str]:
        """What systemd and the image would give the unit."""
        state = self.directory / "state" / unit
        state.mkdir(parents=True, exist_ok=True)
        return {
            **os.environ,
            **self.broker.environment(principal),
            "STREAMFORGE_ROOT": str(self.directory),
            "STREAMFORGE_RUN": str(self.run),
            "STREAMFORGE_CONFIG": str(self.config),
            "STATE_DIRECTORY": str(state),
        }

    def start(self, unit: str, principal: str, *arguments: str) -> None:
        """Start `streamforge ARGUMENTS` as a unit."""
        log = (self.output / f"{unit}.log").open("ab")
        self.processes[unit] = subprocess.Popen(
            [sys.executable, "-m", "streamforge", *arguments],
            env=self.environment(unit, principal),
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock
        )

    def barrier(self) -> str:
        """Start what alarms and events wait for, as data losses are; its unit name."""
        self.start(SYNCD, "web", "syncd")
        return SYNCD

    def adapter(self, kind: str, instance: str) -> str:
        """Start an adapter instance; its unit name."""
        unit = f"streamforge-adapter-{kind}@{instance}"
        self.start(unit, f"adapter-{kind}", "adapter", kind, instance)
        return unit

    def transform(self, name: str) -> str:
        """Start a transform; its unit name."""
        unit = f"streamforge-transform-{name}"
        self.start(unit, f"transform-{name}", "transform", name)
        return unit

    def sink(self, kind: str, instance: str) -> str:
        """Start a sink instance; its unit name."""
        unit = f"streamforge-sink-{kind}@{instance}"
        self.start(unit, f"sink-{kind}", "sink", kind, instance)
        return unit

    def health(self, unit: str) -> dict[str, Any]:
        """What the unit says of itself. Raises OSError while it does not answer."""
        answer: dict[str, Any] = json.loads(ask(self.run / f"{unit}.sock"))
        return answer

    def metrics(self, unit: str) -> str:
        """The unit's metrics as text. Raises OSError while it does not answer."""
        return ask(self.run / f"{unit}.sock", "/metrics").decode()

    def wait_for(self, what: str, is_so: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until `is_so`; Fatal with the ends of the logs when it takes longer, or a unit has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if is_so():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Fatal(f"waited {seconds:g} s for {what}\n{self.logs()}")

    def logs(self) -> str:
        """The end of each unit's log."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.output.glob("*.log")))

    def signal(self, unit: str, number: signal.Signals) -> None:
        """Send a signal to a unit's process."""
        self.processes[unit].send_signal(number)

    def kill(self, unit: str) -> None:
        """End a unit as kill -9 does."""
        process = self.processes.pop(unit)
        process.kill()
        process.wait()

    def stop(self, unit: str) -> int:
        """End a unit as `systemctl stop` does; its exit code."""
        process = self.processes.pop(unit)
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop_all(self) -> None:
        """End what runs, in the order of the flow."""
        for unit in list(self.processes):
            self.stop(unit)
        shutil.rmtree(self.run, ignore_errors=True)
