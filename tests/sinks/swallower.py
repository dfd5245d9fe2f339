"""A man in the middle that lets a COMMIT through and swallows its answer: the moment in which progress is unsure."""

import contextlib
import selectors
import socket
import threading
from typing import Self


class Swallower:
    """Forwards connections to a server; while `is_armed`, the next answer to a COMMIT is lost and the line cut."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.is_armed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        """One connection after the other, until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            to_server = socket.create_connection(("127.0.0.1", self._server_port))
            with contextlib.suppress(OSError), client, to_server:
                self._forward(client, to_server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65_536)  # type: ignore[union-attr] # a socket, as registered
                    if not data:
                        return
                    key.data.sendall(data)
                    if self.is_armed and key.fileobj is client and b"COMMIT" in data:
                        self.is_armed = False
                        server.recv(65_536)  # the answer: it is committed now
                        return
