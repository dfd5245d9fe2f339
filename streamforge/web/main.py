"""The unit `streamforge-web`: the local page over HTTPS, activated by systemd's socket on port 443."""

import argparse
import os
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamforge import service
from streamforge.bus.connection import Connection
from streamforge.errors import ConfigError, Fatal, Fault
from streamforge.gateway import ledger
from streamforge.health import RUN_DIRECTORY, Health, State
from streamforge.metrics import Metrics
from streamforge.web import app, server
from streamforge.web.follower import Follower
from streamforge.web.gather import Gatherer
from streamforge.web.last_values import LastValues
from streamforge.web.ledger_keeper import MOST_WAITING_RECORDS, LedgerKeeper
from streamforge.web.passwords import HASH_FILE, Gate, PasswordStore
from streamforge.web.site import Site

UNIT, PRINCIPAL = "streamforge-web", "web"
DEFAULT_ROOT = "/var/lib/streamforge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the unit finds and keeps things, and where it listens when systemd passes no socket."""

    credentials: Path
    state: Path
    root: Path
    run: Path = RUN_DIRECTORY
    address: str = "127.0.0.1"
    port: int = 0

    @classmethod
    def from_environment(cls, *, address: str, port: int) -> "Places":
        """By the names of every unit: CREDENTIALS_DIRECTORY, STATE_DIRECTORY, STREAMFORGE_ROOT."""
        root = Path(os.environ.get("STREAMFORGE_ROOT", DEFAULT_ROOT))
        return cls(
            credentials=Path(os.environ.get("CREDENTIALS_DIRECTORY", root / "credentials")),
            state=Path(os.environ.get("STATE_DIRECTORY", str(root / "web")).partition(":")[0]),
            root=root,
            address=address,
            port=port,
        )


class Web:
    """The page as a component: threads serve it, the steps follow the last values."""

    def __init__(self, places: Places) -> None:
        self.metrics = Metrics()
        self.places = places
        self.values = LastValues()
        self._follower = Follower(self.values, PRINCIPAL)
        keeper = LedgerKeeper(self._take_ledger)
        keeper.show_in(self.metrics)
        self._site = Site(
            gatherer=Gatherer(run=places.run, root=places.root, ledger=keeper),
            values=self.values,
            gate=Gate(PasswordStore(credentials=places.credentials, state=places.state)),
            run=places.run,
            metrics_token=_credential(places.credentials / "metrics-token"),
        )
        self._context = _tls(places.credentials)
        _credential(places.credentials / HASH_FILE)
        self._server: server.PageServer | None = None
        self._thread: threading.Thread | None = None

    def _take_ledger(self, before: ledger.Said) -> tuple[ledger.Ledger, ledger.Said]:
        question = ledger.Question(
            directory=self.places.run,
            before=before,
            configured=ledger.configured_sinks(self.places.root / "config" / "current"),
            most_records=MOST_WAITING_RECORDS,
        )
        return ledger.taken(Connection.from_environment(PRINCIPAL), question)

    @property
    def port(self) -> int:
        """Where it listens; 0 before `open`."""
        return self._server.port if self._server else 0

    def open(self) -> None:
        """Begin to serve. Raises Fatal where the port cannot be had."""
        listener = server.passed_listener() or self._own_listener()
        self._server = server.PageServer(listener, self._context, app.make(self._site))
        self._thread = server.start(self._server)

    def _own_listener(self) -> socket.socket:
        try:
            return server.open_listener(self.places.address, self.places.port)
        except OSError as error:
            msg = f"cannot listen on {self.places.address}:{self.places.port}: {error.strerror}"
            raise Fatal(msg) from error

    def step(self, stop: threading.Event) -> None:
        """Follow the last values for about a second."""
        if self._thread is not None and not self._thread.is_alive():
            msg = "the thread that takes connections has ended"
            raise Fatal(msg)
        self._follower.step(stop)
        is_followed = not self.values.problem
        self.metrics.connected.set(is_followed)
        if is_followed:
            self.metrics.succeeded()

    def drain(self, deadline: float) -> None:  # noqa: ARG002 - requests are short; streams end at once
        """End the streams."""
        self._site.streams.stop()

    def close(self) -> None:
        """Stop serving."""
        self._site.streams.stop()
        self._follower.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def status(self) -> str:
        """For `systemctl status`."""
        return f"serves the page on port {self.port}" + (f"; {self.values.problem}" if self.values.problem else "")

    def health(self) -> Health:
        """Degraded while the values are not up to date: the page itself still works."""
        state = State.DEGRADED if self.values.problem else State.HEALTHY
        seats = self._server.seats.taken() if self._server else 0
        return Health(state=state, status=self.status(), details={"kind": "web", "connections": seats})


def _credential(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        hint = "streamforge firstboot makes it"
        raise ConfigError([Fault(file=path.name, message=f"cannot be read: {error.strerror}", hint=hint)]) from error


def _tls(credentials: Path) -> ssl.SSLContext:
    try:
        return server.tls_context(credentials / "page-certificate.pem", credentials / "page-key.pem")
    except OSError as error:
        message = f"the page's certificate and key do not serve: {error.strerror or error}"
        raise ConfigError([Fault(file="page-certificate.pem", message=message)]) from error


def run(arguments: Sequence[str]) -> int:
    """`streamforge web [--address A] [--port N]`: the address and port count where systemd passes no socket."""
    parser = argparse.ArgumentParser(prog="streamforge web")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8443)
    chosen = parser.parse_args(arguments)
    return service.run(lambda: Web(Places.from_environment(address=chosen.address, port=chosen.port)), UNIT)
