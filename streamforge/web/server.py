"""A small threaded HTTPS server for the local page: one short connection a request, no client can stop it.

The TLS handshake happens in the worker thread (a silent client costs one seat, not the listener), every connection
has a deadline from outside (`seats`), request line, headers and body have caps. HTTP/1.0 towards WSGI: every answer
ends its connection, so that a seat is never held by a client that does nothing.
"""

import http
import http.client
import io
import os
import socket
import socketserver
import ssl
import sys
import threading
from pathlib import Path
from typing import Any, cast
from wsgiref.handlers import SimpleHandler
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.types import WSGIApplication

from streamforge.logs import Log
from streamforge.web.seats import REQUEST_SECONDS, Seats

LINE_BYTES = 4096
HEADER_BYTES = 16 * 1024
BODY_BYTES = 64 * 1024
LISTEN_BACKLOG = 64
_FIRST_PASSED_DESCRIPTOR = 3
EXTEND = "streamforge.extend_deadline"
_log = Log("web")


class PageServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves one WSGI application on a listening socket, with TLS where a context is given."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None, application: WSGIApplication) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.seats = Seats()
        self.context = context
        self.application = application
        self.port: int = listener.getsockname()[1]
        self.base_environ = {
            "SERVER_NAME": "streamforge",
            "SERVER_PORT": str(self.port),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SCRIPT_NAME": "",
        }

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a seat; a refused connection is closed at once."""
        return self.seats.take(request, client_address[0])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread of its own."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the unit's task limit: no thread can be had
            self.seats.give_back(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The life of one connection, in its own thread."""
        connection = request
        try:
            connection = self._wrap(request)
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            # An IPv4 client of a dual-stack socket is written as people write it.
            self.finish_request(connection, (client_address[0].removeprefix("::ffff:"), *client_address[1:]))
        except OSError:
            return  # the client went away, speaks no TLS, or ran into its deadline
        finally:
            self.seats.give_back(connection)
            self.shutdown_request(connection)

    def service_actions(self) -> None:
        """Called by serve_forever about twice a second."""
        self.seats.reap()

    def _wrap(self, connection: socket.socket) -> socket.socket:
        connection.settimeout(REQUEST_SECONDS)
        if self.context is None:
            return connection
        wrapped = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.seats.move(connection, wrapped)
        return wrapped


class _Handler(WSGIRequestHandler):
    """One request on one connection."""

    server: PageServer

    def handle(self) -> None:
        """Read the request within its caps, and answer it by the application."""
        self.raw_requestline = self.rfile.readline(LINE_BYTES + 1)
        if len(self.raw_requestline) > LINE_BYTES:
            self.requestline, self.request_version, self.command = "", "", ""
            self.send_error(http.HTTPStatus.REQUEST_URI_TOO_LONG)
            return
        body = self.rfile
        self.rfile = cast(io.BufferedIOBase, _CappedHeaders(body))
        if not self.raw_requestline or not self.parse_request() or not self._has_small_body():
            return
        _Answer(body, self.wfile, self.get_environ()).run(self.server.application)

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment; `EXTEND` is a function that moves this connection's deadline."""
        environ = super().get_environ()
        if self.server.context is not None:
            environ["HTTPS"] = "on"
        environ[EXTEND] = lambda seconds: self.server.seats.extend(self.connection, seconds)
        return environ

    def version_string(self) -> str:
        """No names and versions for strangers."""
        return "StreamForge"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Requests are routine, and routine is not logged."""

    def _has_small_body(self) -> bool:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.send_error(http.HTTPStatus.LENGTH_REQUIRED)
            return False
        if int(length) > BODY_BYTES:
            self.send_error(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return False
        return True


class _CappedHeaders:
    """What the header parser reads from: ends in 431 where the headers together are too long."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._left_bytes = HEADER_BYTES

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(size)
        self._left_bytes -= len(line)
        if self._left_bytes < 0:
            raise http.client.LineTooLong("header block")
        return line

    def close(self) -> None:
        self._stream.close()


class _Errors(io.TextIOBase):
    """What the application calls its error stream: one journal line a fault, not a page of them."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.error("page_fault", trace=sys.exc_info()[0] is not None, reason=text.strip().splitlines()[-1])
        return len(text)


class _Answer(SimpleHandler):
    """Runs the application; a client that went away ends it without a word."""

    http_version = "1.0"
    server_software = "StreamForge"

    def __init__(self, body: Any, out: Any, environ: dict[str, Any]) -> None:
        super().__init__(body, out, _Errors(), environ, multithread=True, multiprocess=False)

    def handle_error(self) -> None:
        """Let a lost connection pass to the server, which knows it; anything else is an answer 500."""
        if isinstance(sys.exc_info()[1], OSError):
            self.close()
            return
        super().handle_error()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with the gateway's own certificate. Raises OSError where the files do not serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def passed_listener() -> socket.socket | None:
    """The listening socket that systemd passed (LISTEN_FDS), or None where the unit was not activated by one."""
    is_ours = os.environ.get("LISTEN_PID") == str(os.getpid())
    if not is_ours or int(os.environ.get("LISTEN_FDS", "0")) < 1:
        return None
    return socket.socket(fileno=_FIRST_PASSED_DESCRIPTOR)


def open_listener(address: str, port: int) -> socket.socket:
    """A listening socket of our own; port 0 takes a free one."""
    return socket.create_server((address, port), backlog=LISTEN_BACKLOG)


def start(server: PageServer) -> threading.Thread:
    """Serve in a thread until `server.shutdown()`."""
    thread = threading.Thread(target=server.serve_forever, name="page-server", daemon=True)
    thread.start()
    return thread
