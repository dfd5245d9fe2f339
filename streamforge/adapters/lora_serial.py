"""A LoRa modem on a serial port: told to receive, and its messages given to the devices that they begin like."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamforge.adapters.base import Inbox
from streamforge.adapters.lora_config import LoraSource
from streamforge.adapters.lora_devices import Headers, LoraNode
from streamforge.adapters.lora_modems import E22, Heard, Modem, Rak, Rn2483
from streamforge.adapters.lora_transport import Transport, offer
from streamforge.adapters.radio_port import RadioPort
from streamforge.clock import now_us
from streamforge.errors import NotConnected

QUIET_SECONDS = 1.0
ANSWER_SECONDS = 2.0


class SerialModem(Transport):
    """One modem, and the devices that it hears."""

    def __init__(self, source: LoraSource, nodes: Sequence[LoraNode]) -> None:
        super().__init__()
        self._source = source
        self._headers = Headers(nodes)
        self._port = RadioPort(source.lora_port, source.baud_rate)
        self._modem = _new_modem(source)
        self._last: LoraNode | None = None
        self._early: list[Heard] = []

    async def open(self, state_directory: Path | None) -> None:  # noqa: ARG002 - nothing is kept
        await self._port.open()
        try:
            await self._greet()
        except NotConnected:
            self._port.close()  # whoever looks for the reason may open it meanwhile
            raise

    async def listen(self, inbox: Inbox) -> None:
        for heard in await self.hear():
            self._take(heard, inbox)

    async def hear(self) -> list[Heard]:
        """What came, of whomever; nothing after a second. Raises NotConnected when the port is gone."""
        chunk = b"" if self._early else await self._port.read(QUIET_SECONDS)
        found, self._early = self._early, []
        if chunk:
            found += self._modem.feed(chunk)
        elif not found:
            found = self._modem.idle()
        for reply in self._modem.replies():
            self._port.write(reply)
        return found

    def close(self) -> None:
        self._port.close()

    def figures(self) -> Mapping[tuple[str, ...], float]:
        return {**super().figures(), ("", "modem_errors"): float(self._modem.errors)}

    async def _greet(self) -> None:
        """Say what the modem must hear before it receives; each is answered by a line, whatever that says."""
        self._modem = _new_modem(self._source)
        self._early = []
        commands = [f"{command}\r\n".encode() for command in self._source.commands]
        for command in (*commands, *self._modem.greeting):
            self._port.write(command)
            answer = b""
            while b"\n" not in answer:
                chunk = await self._port.read(ANSWER_SECONDS)
                if not chunk:
                    word = command.decode().strip()
                    raise NotConnected(f"{self._source.lora_port}: the modem does not answer {word!r}")
                self._early += self._modem.feed(chunk)
                answer += chunk

    def _take(self, heard: Heard, inbox: Inbox) -> None:
        """A message, or how the last one was heard."""
        signal = (("RSSI", heard.rssi_dbm), ("SNR", heard.snr_db))
        fields = {name: value for name, value in signal if value is not None}
        payload = heard.payload
        if payload is not None:
            self._last, payload = self._headers.find(payload) or (None, payload)
            self.counts["messages_of_unknown_devices"] += self._last is None
        if self._last is None:
            return
        try:
            offer(inbox, self._last.read(0, payload, fields, now_us()))
        except ValueError as error:
            self.refuse(inbox, self._source.lora_port, heard.payload or b"", str(error))


def _new_modem(source: LoraSource) -> Modem:
    if source.modem == "e22":
        return E22(has_crc=source.framing == "length_crc")
    return Rak() if source.modem == "rak" else Rn2483()
