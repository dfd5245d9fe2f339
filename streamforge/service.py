"""The one life cycle of every unit: open, READY, step and watchdog until SIGTERM, drain, close.

SIGHUP reads the configuration again: where it is good the component is exchanged, where it is bad the old one goes on.
Exit codes: 0 stopped, 1 fatal (systemd restarts), 78 bad configuration (systemd does not: sysexits(3) EX_CONFIG).
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, runtime_checkable

from streamforge.errors import ConfigError, StreamForgeError
from streamforge.health import RUN_DIRECTORY, Asked, Health, HealthServer, Route
from streamforge.logs import Log, set_up
from streamforge.metrics import Metrics
from streamforge.notify import Notifier

EXIT_STOPPED, EXIT_FATAL, EXIT_CONFIG = 0, 1, 78
DRAIN_SECONDS = 6.0
_log = Log("service")


class Component(Protocol):
    """One unit's work, in bounded steps. It never loops for ever, and does not know systemd."""

    metrics: Metrics

    def open(self) -> None:
        """Prepare what needs no peer. An absent peer is no failure to start. Raises ConfigError, Fatal."""

    def step(self, stop: threading.Event) -> None:
        """Work for at most 5 s, less when `stop` is set; handles an absent peer by itself."""

    def drain(self, deadline: float) -> None:
        """Bring to an end what was begun, until `deadline` (of `time.monotonic`) at most."""

    def close(self) -> None:
        """Let go of everything; may be called at any time, also twice."""

    def status(self) -> str:
        """One line for `systemctl status`: what it does or waits for."""

    def health(self) -> Health:
        """State and details for the page and the fleet."""


@runtime_checkable
class Answering(Protocol):
    """A component whose socket answers more paths than those of every unit."""

    def routes(self) -> Mapping[str, Route]:
        """By path; a route may wait, and is asked from threads of the server."""


def run(make: Callable[[], Component], unit: str, directory: Path = RUN_DIRECTORY) -> int:
    """Run what `make` loads and builds as `unit`, until SIGTERM or SIGINT; the exit code for systemd."""
    set_up()
    try:
        return _Life(make, unit, directory).live()
    except ConfigError as error:
        return refuse(unit, error, directory)
    except StreamForgeError as error:
        _log.error("fatal", unit=unit, reason=str(error))
        return EXIT_FATAL
    except Exception as error:  # noqa: BLE001 - the runner is the one place that catches what it cannot name
        _log.error("crashed", trace=True, unit=unit, reason=repr(error))
        return EXIT_FATAL


class _Life:
    def __init__(self, make: Callable[[], Component], unit: str, directory: Path) -> None:
        self._make = make
        self._unit = unit
        self._directory = directory
        self._notifier = Notifier()
        self._stop = threading.Event()
        self._interrupt = threading.Event()
        self._is_ready = False
        self._is_opening = False
        self._is_reload_wanted = False
        self._since_us = time.time_ns() // 1000

    def live(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        self._component = self._make()
        server = HealthServer(self._asked(), self._directory)
        try:
            self._open()
            server.start()
            self._ready()
            while not self._stop.is_set():
                self._steps()
                self._reload()
            self._notifier.stopping()
            self._is_ready = False
            self._component.drain(time.monotonic() + DRAIN_SECONDS)
        finally:
            self._component.close()
            server.stop()
        return EXIT_STOPPED

    def _open(self) -> None:
        self._is_opening = True
        self._component.open()
        self._is_opening = False

    def _on_stop(self, *_: object) -> None:
        _set(self._stop, self._interrupt)
        if self._is_opening:  # which may take minutes and looks at no event; once, so that close() is not cut short
            self._is_opening = False
            raise SystemExit(EXIT_STOPPED)

    def _on_reload(self, *_: object) -> None:
        self._is_reload_wanted = True
        _set(self._interrupt)

    def _asked(self) -> Asked:
        return Asked(
            unit=self._unit,
            health=self._health,
            metrics=self._metrics,
            is_ready=lambda: self._is_ready,
            since_us=lambda: self._since_us,
            routes=self._routes,
        )

    def _health(self) -> Health:
        return self._component.health()

    def _metrics(self) -> bytes:
        return self._component.metrics.text()

    def _routes(self) -> Mapping[str, Route]:
        return self._component.routes() if isinstance(self._component, Answering) else {}

    def _ready(self) -> None:
        with suppress(OSError):
            faults_path(self._unit, self._directory).unlink()
        self._is_ready = True
        self._notifier.ready()

    def _steps(self) -> None:
        said = ""
        while not self._interrupt.is_set() and not self._stop.is_set():
            self._component.step(self._interrupt)
            self._notifier.watchdog()
            status = self._component.status()
            if status != said:
                self._notifier.status(status)
                said = status

    def _reload(self) -> None:
        self._interrupt.clear()  # first: an order that comes from here on is seen by the next steps
        if self._stop.is_set() or not self._is_reload_wanted:
            return
        self._is_reload_wanted = False
        self._notifier.reloading()
        try:
            fresh = self._make()
        except ConfigError as error:
            refuse(self._unit, error, self._directory)
            self._notifier.ready()
            return
        self._component.drain(time.monotonic() + DRAIN_SECONDS)
        self._component.close()
        self._component = fresh
        self._open()
        self._ready()


def _set(*events: threading.Event) -> None:
    """From a signal handler: the thread that it interrupts may just hold an event's lock, so another one sets it."""

    def set_all() -> None:
        for event in events:
            event.set()

    threading.Thread(target=set_all, name="signal", daemon=True).start()


def refuse(unit: str, error: ConfigError, directory: Path = RUN_DIRECTORY) -> int:
    """Say every fault in the journal and leave them where status and page find them; the exit code 78."""
    set_up()
    for fault in error.faults:
        _log.error("bad_configuration", unit=unit, **asdict(fault))
    with suppress(OSError):
        faults_path(unit, directory).write_text(json.dumps([asdict(fault) for fault in error.faults]))
    Notifier().failing(f"bad configuration: {error.faults[0]}")
    return EXIT_CONFIG


def faults_path(unit: str, directory: Path = RUN_DIRECTORY) -> Path:
    """Where the faults of a unit that refused its configuration stand until its next good start."""
    return directory / f"{unit}.faults.json"
