"""No client, silent, slow, greedy or gone, can stop the page."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from streamforge.web import server as server_module
from streamforge.web.seats import SEATS_PER_ADDRESS, Seats, origin_of
from tests.web import peers

LOST = (ssl.SSLError, ConnectionError)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def over_tls(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connect(port))


def ask(port: int, request: bytes) -> bytes:
    with over_tls(port) as client:
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


def drip(client: ssl.SSLSocket) -> None:
    """One byte every 0.1 s, for 10 s at most."""
    for _ in range(100):
        client.sendall(b"G")
        threading.Event().wait(0.1)


def wait_for_seats(gateway: peers.Gateway, taken: int) -> None:
    server = gateway.web._server
    assert server is not None
    deadline = time.monotonic() + 5
    while server.seats.taken() != taken and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert server.seats.taken() == taken


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch, gateway: peers.Gateway, seconds: float) -> Iterator[None]:
    """Deadlines of `seconds` instead of the product's."""
    server = gateway.web._server
    assert server is not None
    take = server.seats.take
    monkeypatch.setattr(server.seats, "take", lambda one, address: take(one, address, seconds=seconds))
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", seconds)
    yield


def test_silent_tls_clients_do_not_stop_the_page(healthy: peers.Gateway) -> None:
    with ExitStack() as held:
        for _ in range(SEATS_PER_ADDRESS - 2):
            held.enter_context(connect(healthy.port))
        wait_for_seats(healthy, SEATS_PER_ADDRESS - 2)
        assert peers.Browser(healthy.port).get("/health/live").status == 200


def test_one_address_cannot_take_all_seats(healthy: peers.Gateway) -> None:
    with ExitStack() as held:
        for _ in range(SEATS_PER_ADDRESS):
            held.enter_context(connect(healthy.port))
        wait_for_seats(healthy, SEATS_PER_ADDRESS)
        refused = held.enter_context(connect(healthy.port))
        assert refused.recv(1) == b""
    wait_for_seats(healthy, 0)
    assert peers.Browser(healthy.port).get("/health/live").status == 200


def test_a_silent_client_loses_its_seat_at_its_deadline(
    healthy: peers.Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with impatient(monkeypatch, healthy, 0.2), connect(healthy.port) as silent:
        assert silent.recv(1) == b""
        wait_for_seats(healthy, 0)


def test_a_dripping_client_loses_its_seat_at_its_deadline(
    healthy: peers.Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with (
        impatient(monkeypatch, healthy, 0.5),
        over_tls(healthy.port) as slow,
        pytest.raises(LOST),
    ):
        drip(slow)
    assert time.monotonic() - began < 5


def test_a_client_that_speaks_no_tls_is_let_go(healthy: peers.Gateway) -> None:
    with connect(healthy.port) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while plain.recv(4096):
            pass
    wait_for_seats(healthy, 0)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /login HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", b"413"),
        (b"POST /login HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"NONSENSE\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_large_or_odd_is_refused(gateway: peers.Gateway, request_bytes: bytes, status: bytes) -> None:
    assert status in ask(gateway.port, request_bytes).partition(b"\r\n")[0]


def test_old_tls_is_refused(gateway: peers.Gateway) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with connect(gateway.port) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


def test_origins_are_addresses_or_networks_of_a_host() -> None:
    assert origin_of("::ffff:10.0.0.1") == origin_of("10.0.0.1") == "10.0.0.1"
    assert origin_of("fe80::1%eth0") == origin_of("fe80::2")
    assert origin_of("2001:db8:0:1::1") != origin_of("2001:db8:0:2::1")


def test_seats_are_given_back_once() -> None:
    seats = Seats(total=1, per_address=1)
    left, right = socket.socketpair()
    with left, right:
        assert seats.take(left, "10.0.0.1")
        assert not seats.take(right, "10.0.0.2")
        seats.give_back(left)
        seats.give_back(left)
        assert seats.take(right, "10.0.0.2")
        assert seats.taken() == 1


def test_systemd_passes_the_listening_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    given = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    monkeypatch.setattr(server_module, "_FIRST_PASSED_DESCRIPTOR", given.detach())
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert server_module.passed_listener() is None
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    listener = server_module.passed_listener()
    assert listener is not None

    def says_who_asks(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["REMOTE_ADDR"].encode()]

    server = server_module.PageServer(listener, None, says_who_asks)
    server_module.start(server)
    with connect(server.port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"\r\n\r\n127.0.0.1")
    server.shutdown()
    server.server_close()
