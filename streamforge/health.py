"""What the outside may ask a unit, on its own Unix socket: live, ready, health, metrics."""

import http.client
import json
import os
import socket
import socketserver
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

RUN_DIRECTORY = Path(os.environ.get("STREAMFORGE_RUN", "/run/streamforge"))
REQUEST_SECONDS = 5.0


class State(StrEnum):
    """How a unit sees itself; FAILED and OFFLINE are only seen from outside."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """State, one line for people, and what a page or a fleet wants to know beyond it (JSON values only)."""

    state: State
    status: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """HTTP status and body (JSON values only) of a path that a component answers itself."""

    code: int
    body: Mapping[str, Any]


# From the query's words to the answer; runs in a thread of its own and may wait.
Route = Callable[[Mapping[str, str]], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the server answers with; functions, because it is asked while the unit works."""

    unit: str
    health: Callable[[], Health]
    metrics: Callable[[], bytes]
    is_ready: Callable[[], bool]
    since_us: Callable[[], int]
    routes: Callable[[], Mapping[str, Route]] = dict


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(socket_path: Path, what: str = "/health", timeout_seconds: float = REQUEST_SECONDS) -> bytes:
    """The body of one answer of a unit's socket. Raises OSError when the unit is not there or says nothing in time."""
    connection = _Connection(socket_path, timeout_seconds)
    try:
        connection.request("GET", what)
        return connection.getresponse().read()
    except http.client.HTTPException as error:
        raise OSError(f"{socket_path.name}: {error!r}") from error
    finally:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        asked = self.server.asked
        path, _, query = self.path.partition("?")
        if path == "/metrics":
            self._answer(200, asked.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/health/live":
            self._answer(200, b'{"live":true}')
        elif path == "/health/ready":
            ready = asked.is_ready()
            self._answer(200 if ready else 503, json.dumps({"ready": ready}).encode())
        elif path == "/health":
            self._answer(200, self._health())
        elif route := asked.routes().get(path):
            answer = route(dict(urllib.parse.parse_qsl(query)))
            self._answer(answer.code, json.dumps(answer.body).encode())
        else:
            self._answer(404, b'{"error":"no such path"}')

    def _health(self) -> bytes:
        asked = self.server.asked
        health = asked.health()
        body = {
            "unit": asked.unit,
            "state": health.state.value,
            "status": health.status,
            "since_us": asked.since_us(),
            "details": health.details,
        }
        return json.dumps(body, default=str).encode()

    def _answer(self, code: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Requests are routine and not logged."""


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: Path, asked: Asked) -> None:
        self.asked = asked
        super().__init__(str(path), _Handler)


class HealthServer:
    """The socket of one unit: RUN_DIRECTORY/<unit>.sock, for the unit's group (0660)."""

    def __init__(self, asked: Asked, directory: Path = RUN_DIRECTORY) -> None:
        self.path = directory / f"{asked.unit}.sock"
        with suppress(FileNotFoundError):
            self.path.unlink()
        self._server = _Server(self.path, asked)
        self.path.chmod(0o660)
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        """Answer from a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End it and remove the socket."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        with suppress(FileNotFoundError):
            self.path.unlink()
