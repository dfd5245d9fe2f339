"""Asks a unit over its Unix socket: HTTP, one short request."""

import http.client
import socket
from pathlib import Path

TIMEOUT_SECONDS = 0.8
_MOST_BYTES = 2 * 1024 * 1024


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """To the unit's socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def get(path: Path, target: str) -> bytes:
    """The body that the unit behind this socket answers to GET `target`. Raises OSError where it does not answer."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", target)
        return connection.getresponse().read(_MOST_BYTES)
    except http.client.HTTPException as error:
        msg = f"{path.name} answers no HTTP: {error}"
        raise OSError(msg) from error
    finally:
        connection.close()
