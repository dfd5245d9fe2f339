"""Gateways that call one UDP address, and the devices that they hear, without any key. Pure: datagrams in."""

from dataclasses import dataclass

from streamforge.adapters.lora_sight import MOST_SENDERS, Senders, tables_of
from streamforge.adapters.lorawan import parse as parse_frame
from streamforge.adapters.probing import Table
from streamforge.adapters.radio_sight import DASH
from streamforge.adapters.semtech_udp import PUSH_DATA, Reception, parse, receptions

_JOIN_REQUEST, _JOIN_BYTES = 0, 23  # LoRaWAN 1.0.4, 6.2.5
_JOINING = "want to join over the air, which takes a network server (ChirpStack)"


@dataclass(slots=True)
class _Gateway:
    """One packet forwarder."""

    address: str
    datagrams: int = 0
    receptions: int = 0
    rssi_dbm: float | None = None


class Site:
    """What calls one address; `devices` by DevAddr, `joins` by DevEUI."""

    def __init__(self) -> None:
        self.gateways: dict[str, _Gateway] = {}
        self.devices, self.joins = Senders(), Senders()

    def take(self, raw: bytes, sender: tuple[object, ...]) -> bytes:
        """A datagram, of whomever; what is to be answered. Raises ValueError where it is none of a forwarder."""
        datagram = parse(raw)
        if datagram.gateway not in self.gateways and len(self.gateways) >= MOST_SENDERS:
            self.devices.others["datagrams of too many gateways"] += 1
            return b""
        gateway = self.gateways.setdefault(datagram.gateway, _Gateway(str(sender[0])))
        gateway.datagrams += 1
        for heard in receptions(datagram.body)[0] if datagram.kind == PUSH_DATA else ():
            gateway.receptions += 1
            if heard.rssi_dbm is not None:
                gateway.rssi_dbm = max(heard.rssi_dbm, heard.rssi_dbm if gateway.rssi_dbm is None else gateway.rssi_dbm)
            self._frame(heard, datagram.gateway)
        return datagram.acknowledgement

    def _frame(self, heard: Reception, gateway: str) -> None:
        frame = parse_frame(heard.phy)
        if frame is not None:
            one = self.devices.at(f"{frame.dev_addr:08x}")
            one.count(frame.counter)
            one.payloads[frame.port or 0] = frame.payload
        elif heard.phy[0] >> 5 == _JOIN_REQUEST and len(heard.phy) == _JOIN_BYTES:
            one = self.joins.at(heard.phy[9:17][::-1].hex())
            one.messages += 1
        else:
            self.devices.others["frames of another kind"] += 1
            return
        one.signal(heard.rssi_dbm, heard.snr_db)
        one.ways[gateway] += 1

    def tables(self) -> list[Table]:
        """Gateways, devices, and who wants to join."""
        rows = tuple(
            (
                eui,
                one.address,
                str(one.datagrams),
                str(one.receptions),
                DASH if one.rssi_dbm is None else f"{one.rssi_dbm:g}",
            )
            for eui, one in self.gateways.items()
        )
        columns = ("gateway", "from", "datagrams", "receptions", "best RSSI")
        joining = tuple((eui, str(one.messages), ", ".join(one.ways)) for eui, one in self.joins.by_address.items())
        return [
            *([Table(title="gateways", columns=columns, rows=rows)] if rows else []),
            *tables_of(self.devices, address="dev_addr", way="gateways", is_readable=False),
            *([Table(title=_JOINING, columns=("dev_eui", "requests", "gateways"), rows=joining)] if joining else []),
        ]
