"""The module at the other end of the serial port: frames come out, queries go in. It is asked and never set."""

from collections.abc import Iterable
from math import inf
from time import monotonic

from streamforge.adapters.radio_port import RadioPort
from streamforge.adapters.xbee_frames import FrameReader, frame
from streamforge.adapters.xbee_packets import Answer, parse, query
from streamforge.errors import NotConnected

AUTOMATIC = "auto"
# A frame at 9600 baud takes a third of this, so a pause inside one means that it will never end.
QUIET_SECONDS = 1.0
GREETINGS = 3
ASK_ALIVE_SECONDS = 30.0
DEAD_SECONDS = 40.0
_AP = 1


class XbeeLine:
    """One module. `api_mode` "1" or "2" takes it as it is; "auto" asks for it, and now and then whether it is alive."""

    def __init__(self, path: str, baud_rate: int, api_mode: str = AUTOMATIC) -> None:
        self._path, self._baud_rate, self._api_mode = path, baud_rate, api_mode
        self._port = RadioPort(path, baud_rate)
        self._early: list[bytes] = []
        self._heard_seconds = -inf
        self.reader = FrameReader(is_escaped=api_mode == "2")

    async def open(self) -> None:
        """Open the port and find the mode. Raises NotConnected with path and reason."""
        await self._port.open()
        self._early = []
        try:
            is_asked = self._api_mode == AUTOMATIC
            self.reader = await self._greet() if is_asked else FrameReader(is_escaped=self._api_mode == "2")
        except NotConnected:
            self._port.close()  # whoever looks for the reason may open it meanwhile
            raise
        self._heard_seconds = monotonic()

    async def read(self) -> list[bytes]:
        """Frame data of what has come, after a second at the latest. Raises NotConnected if port or module is gone."""
        self._ask_whether_alive()
        if self._early:
            early, self._early = self._early, []
            return early
        chunk = await self._port.read(QUIET_SECONDS)
        if not chunk:
            return self.reader.idle()
        self._heard_seconds = monotonic()
        return self.reader.feed(chunk)

    def ask(self, command: str, frame_id: int) -> None:
        """Ask the module for a parameter; the answer carries the number. Raises NotConnected."""
        self._port.write(frame(query(command, frame_id), is_escaped=self.reader.is_escaped))

    def close(self) -> None:
        """Let the port go; may be called twice."""
        self._port.close()

    async def _greet(self) -> FrameReader:
        """Ask for the API mode; both readings of the line are followed until the answer says which is the right one."""
        readers = {1: FrameReader(is_escaped=False), 2: FrameReader(is_escaped=True)}
        found: dict[int, list[bytes]] = {1: [], 2: []}
        for _ in range(GREETINGS):
            self._port.write(frame(query("AP", _AP)))  # the same bytes in both modes
            until = monotonic() + QUIET_SECONDS
            while monotonic() < until:
                chunk = await self._port.read(max(0.001, until - monotonic()))
                for mode, reader in readers.items():
                    found[mode] += reader.feed(chunk)
                mode = _api_mode(body for bodies in found.values() for body in bodies)
                if mode in readers:
                    self._early = found[mode]
                    return readers[mode]
        raise NotConnected(f"{self._path}: no XBee module in API mode 1 or 2 answers at {self._baud_rate} baud")

    def _ask_whether_alive(self) -> None:
        silent_seconds = monotonic() - self._heard_seconds
        if self._api_mode == AUTOMATIC and silent_seconds >= ASK_ALIVE_SECONDS:
            if silent_seconds >= DEAD_SECONDS:
                raise NotConnected(f"{self._path}: the module does not answer any more")
            self.ask("AP", _AP)


def _api_mode(bodies: Iterable[bytes]) -> int:
    """What the module says of its API mode; 0 = nothing yet."""
    for body in bodies:
        try:
            packet = parse(body)
        except ValueError:
            continue
        if isinstance(packet, Answer) and packet.command == "AP" and not packet.status and packet.data:
            return packet.data[-1]
    return 0
