"""The LoRa devices of a configuration: from a message to readings, and what is counted on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf

from streamforge.adapters import cayenne_lpp
from streamforge.adapters.base import Batch, Device
from streamforge.adapters.lora_config import LPP, LoraConfig, LoraDevice
from streamforge.adapters.lora_counters import FrameCounters, counter_key
from streamforge.adapters.lora_servers import Uplink
from streamforge.adapters.lorawan import Session, Verdict, key_of, parse
from streamforge.adapters.radio_form import Message
from streamforge.adapters.semtech_udp import Reception
from streamforge.model import Value

# Copies of one message reach the gateways of a site at once, and the server within this time.
COPIES_SECONDS = 3.0


class LoraNode:
    """One device with its rows."""

    def __init__(self, row: LoraDevice, config: LoraConfig) -> None:
        source = config.source
        self.row = row
        self.form = row.form()
        self.messages = 0
        self.rssi_dbm: float | None = None
        timeout_seconds = source.node_timeout_s if row.node_timeout_s is None else row.node_timeout_s
        name = row.dev_eui if source.is_server else row.dev_addr or row.header
        address = f"{config.peer} {name}".rstrip()
        self.devices: Sequence[Device] = self.form.devices(row.asset_id, config.peer, timeout_seconds, address)

    def read(self, port: int, payload: bytes | None, fields: Mapping[str, Value], time_us: int) -> list[Batch]:
        """The readings of a message. Raises ValueError where a Cayenne payload that rows want is broken."""
        kind = str(port or "")
        if payload is not None and any(name.startswith(LPP) for name in self.form.wanted(kind)):
            fields = {**fields, **cayenne_lpp.decode(payload)}
        self.messages += 1
        rssi = fields.get("RSSI")
        self.rssi_dbm = rssi if isinstance(rssi, float) else self.rssi_dbm
        if port:
            fields = {**fields, "FPORT": port}
        return self.form.read(Message(kind=kind, payload=payload, fields=fields, time_us=time_us))


class LorawanNetwork:
    """ABP devices by address: their sessions, and their counters on disk."""

    def __init__(self, nodes: Iterable[LoraNode]) -> None:
        self._nodes = {int(node.row.dev_addr, 16): node for node in nodes}
        self._sessions: dict[int, Session] = {}
        self._keys: dict[int, str] = {}
        self._heard_seconds: dict[int, float] = {}
        self._counters: FrameCounters | None = None
        self.counts: Counter[str] = Counter()

    def open(self, counters: FrameCounters | None) -> None:
        """Take up the sessions where the file has them, once; None = there is no place for a file. Raises OSError."""
        if self._sessions:
            return
        if counters:
            counters.open(counter_key(address, key_of(node.row.nwk_skey)) for address, node in self._nodes.items())
            self._counters = counters
        for address, node in self._nodes.items():
            row, nwk_skey = node.row, key_of(node.row.nwk_skey)
            key = self._keys[address] = counter_key(address, nwk_skey)
            self._sessions[address] = Session(
                address,
                nwk_skey,
                key_of(row.app_skey),
                counter=counters.get(key) if counters else -1,
                accepts_reset=row.accept_counter_reset,
            )

    def take(self, heard: Reception, now_seconds: float, time_us: int) -> list[Batch]:
        """The readings of a frame, where it is one of ours that is new. Raises ValueError where it is cut short.

        `time_us` stands in where the gateway does not know the time.
        """
        frame = parse(heard.phy)
        node = self._nodes.get(frame.dev_addr) if frame else None
        if frame is None or node is None:
            self.counts["other_frames" if frame is None else "frames_of_unknown_devices"] += 1
            return []
        session = self._sessions[frame.dev_addr]
        verdict = session.take(frame)
        if verdict is not Verdict.NEW:
            age_seconds = now_seconds - self._heard_seconds.get(frame.dev_addr, -inf)
            self.counts[_counted(verdict, age_seconds)] += 1
            return []
        self._heard_seconds[frame.dev_addr] = now_seconds
        self._save(frame.dev_addr, session.counter)
        fields: dict[str, Value] = {"FCNT": session.counter}
        fields |= {
            name: value for name, value in (("RSSI", heard.rssi_dbm), ("SNR", heard.snr_db)) if value is not None
        }
        return node.read(frame.port or 0, session.payload(frame), fields, heard.time_us or time_us)

    def _save(self, address: int, counter: int) -> None:
        """On disk before the readings go on. A disk that does not take it is counted: it must not cost readings."""
        try:
            if self._counters:
                self._counters.put(self._keys[address], counter)
        except OSError:
            self.counts["counters_not_saved"] += 1

    def lost(self) -> Mapping[str, int]:
        """Asset -> frames that were sent and never heard, as the counters say."""
        return {
            node.row.asset_id: self._sessions[address].lost for address, node in self._nodes.items() if self._sessions
        }


def _counted(verdict: Verdict, age_seconds: float) -> str:
    """The name under which a frame is counted that is not new."""
    if verdict is Verdict.BAD_MIC:
        return "bad_mic"
    is_copy = verdict is Verdict.REPEATED and age_seconds <= COPIES_SECONDS
    return "copies_of_other_gateways" if is_copy else "replayed_frames"


class ServerDevices:
    """Devices by their DevEUI, as a network server names them."""

    def __init__(self, nodes: Iterable[LoraNode]) -> None:
        self._nodes = {node.row.dev_eui.lower(): node for node in nodes if node.row.dev_eui}

    def take(self, uplink: Uplink, time_us: int) -> list[Batch] | None:
        """The readings of an uplink; None = of a device that no row names. Raises ValueError as `LoraNode.read`.

        `time_us` stands in where neither gateway nor server said when.
        """
        node = self._nodes.get(uplink.dev_eui)
        if node is None:
            return None
        return node.read(uplink.port, uplink.payload, uplink.fields, uplink.time_us or time_us)


class Headers:
    """Devices by the bytes with which their messages begin, the longest that fits first."""

    def __init__(self, nodes: Iterable[LoraNode]) -> None:
        self._nodes = sorted(
            ((bytes.fromhex(node.row.header), node) for node in nodes), key=lambda pair: len(pair[0]), reverse=True
        )

    def find(self, payload: bytes) -> tuple[LoraNode, bytes] | None:
        """The device, and its payload behind the header; None = unknown."""
        for header, node in self._nodes:
            if payload.startswith(header):
                return node, payload[len(header) :]
        return None
