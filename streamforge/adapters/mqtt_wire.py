"""The socket to a broker: connected and encrypted by the event loop, then read and written in large pieces.

The client library reads a byte, a length, a packet; each of these were a system call, and what TLS has decrypted
already would not wake the event loop.
"""

import asyncio
import errno
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.adapters.byte_stream import plain_words
from streamforge.adapters.mqtt_source import Source
from streamforge.errors import NotConnected

PIECE_BYTES = 65_536
# What one packet may take of the memory; a broker of MQTT 5 is told.
MOST_PACKET_BYTES = 16 * 1024 * 1024
_PEM = "-----BEGIN"


class Wire:
    """A connected socket as the client library wants one; `flush` sends what it has written."""

    def __init__(self, plain: socket.socket) -> None:
        plain.settimeout(0)
        self._socket = plain
        self._read = b""
        self._at = 0
        self._unsent = bytearray()
        # Why reading failed, "" = it did not: the client library keeps it to itself.
        self.fault = ""

    @property
    def has_data(self) -> bool:
        """Whether there is something to read of which the event loop does not know."""
        is_pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        return self._at < len(self._read) or is_pending

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def recv(self, buffer_size: int) -> bytes:
        """Up to so many bytes; b"" = the broker hung up. Raises BlockingIOError where there are none yet."""
        if buffer_size > MOST_PACKET_BYTES:
            self.fault = f"a packet of {buffer_size} bytes, and {MOST_PACKET_BYTES} are the most"
            raise OSError(errno.EMSGSIZE, self.fault)
        if self._at >= len(self._read):
            try:
                self._read, self._at = self._socket.recv(PIECE_BYTES), 0
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError from None
            except OSError as error:
                self.fault = error.strerror or str(error)
                raise
        piece = self._read[self._at : self._at + buffer_size]
        self._at += len(piece)
        return piece

    def send(self, buffer: bytes | bytearray) -> int:
        """Take it all."""
        self._unsent += buffer
        return len(buffer)

    def flush(self) -> None:
        """Send what can be sent. Raises OSError where the connection is gone."""
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]

    def close(self) -> None:
        """Send what is left, if that takes no time, and hang up."""
        with suppress(OSError):
            self.flush()
        self._socket.close()

    def fileno(self) -> int:
        """For the event loop; -1 once it is closed."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the client library's own form
        """It never blocks, whatever is asked."""


async def dial(source: Source) -> Wire:
    """Connect. Raises NotConnected, in words that a person can act on."""
    address = f"{source.host}:{source.port}"
    context = _context(source) if source.is_tls else None
    try:
        return await asyncio.wait_for(_connect(source, context), source.connect_timeout_s)
    except TimeoutError:
        raise NotConnected(f"{address}: no connection within {source.connect_timeout_s} s") from None
    except ssl.SSLCertVerificationError as error:
        raise NotConnected(f"{address}: the broker's certificate is refused: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise NotConnected(f"{address}: no TLS: {error}") from error
    except OSError as error:
        raise NotConnected(f"{address}: {plain_words(error)}") from error


async def _connect(source: Source, context: ssl.SSLContext | None) -> Wire:
    """The first of the host's addresses that takes us."""
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    for family, kind, number, _, place in await loop.getaddrinfo(
        source.host, source.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    ):
        plain = socket.socket(family, kind, number)
        plain.settimeout(0)
        try:
            await loop.sock_connect(plain, place)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Wire(plain if context is None else await _shake_hands(plain, context, source.host))
        except asyncio.CancelledError:
            plain.close()
            raise
        except OSError as error:
            plain.close()
            if isinstance(error, ssl.SSLError):  # another address is the same broker
                raise
            failed = error
    raise failed or NotConnected(f"{source.host} has no address")


async def _shake_hands(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            ready = asyncio.Event()
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                loop.add_reader(secure, ready.set)
            except ssl.SSLWantWriteError:
                loop.add_writer(secure, ready.set)
            else:
                return secure
            await ready.wait()
            loop.remove_reader(secure)
            loop.remove_writer(secure)
    except (OSError, asyncio.CancelledError) as error:
        loop.remove_reader(secure)
        loop.remove_writer(secure)
        secure.close()
        if isinstance(error, ConnectionError):  # as of a broker that speaks no TLS there
            raise ssl.SSLError(plain_words(error)) from error
        raise


def _context(source: Source) -> ssl.SSLContext:
    """Raises NotConnected that names the file which is wrong: it may be mended while the unit runs."""
    key, place = "ca_file", source.ca_file
    try:
        is_text = _is_text(place)
        context = ssl.create_default_context(
            cafile=None if is_text or not place else place, cadata=place if is_text else None
        )
        if source.cert_file:
            key, place = "cert_file and key_file", source.cert_file
            _load_own(context, source.cert_file, source.key_file)
    except (OSError, ValueError) as error:
        shown = "the secret" if _is_text(place) else place
        raise NotConnected(f"{key} = {shown}: {getattr(error, 'strerror', None) or error}") from error
    return context


def _is_text(place: str) -> bool:
    """Whether it is the text itself and no path; tools write attributes before the first PEM block."""
    return _PEM in place or "\n" in place


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Our own certificate and key: the ssl module takes files alone, so a secret's text becomes one for a moment."""
    with TemporaryDirectory() as directory:
        paths = []
        for number, place in enumerate((certificate, key)):
            path = Path(directory) / f"{number}.pem"
            if _is_text(place):
                path.touch(mode=0o600)
                path.write_text(place)
            paths.append(path if _is_text(place) else Path(place))
        context.load_cert_chain(paths[0], paths[1])
