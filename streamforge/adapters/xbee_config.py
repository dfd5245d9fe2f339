"""The configuration of xbee: `xbee.toml` beside this module explains every key."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.doubles import refuse_twice
from streamforge.adapters.radio_form import Form, FormRow, check_row
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.adapters.virtual_modbus import check_listen
from streamforge.adapters.xbee_packets import ANALOG_PINS, DIGITAL_PINS, SUPPLY
from streamforge.config import Bounds, TableFile, of_key

RSSI = "RSSI"
_NATURAL = {
    **dict.fromkeys(DIGITAL_PINS, DataType.BOOL),
    **dict.fromkeys((*ANALOG_PINS, SUPPLY, RSSI), DataType.INT64),
}
_NODE_ID = re.compile(r"(?:[0-9A-F]{2}){3,8}", re.IGNORECASE)
Seconds = Annotated[float, Bounds(0.0, 86_400.0)]
Endpoint = Annotated[int, Bounds(0, 0xFF)]
Number = Annotated[int, Bounds(0, 0xFFFF)]


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeRow(TagRow):
    """A tag row whose `at` is a register of the payload, a pin (D0, A1, SUPPLY) or RSSI.

    `header` says in hexadecimal which messages it is read from; "" = from every one.
    """

    header: str = ""

    def __post_init__(self) -> None:
        TagRow.__post_init__(self)
        check_row(self, _NATURAL.get, "a pin such as D3 or A1, SUPPLY, RSSI")


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeSource:
    """The module on its serial port."""

    xbee_port: str
    baud_rate: Annotated[int, Bounds(1200, 921_600)] = 9600
    api_mode: Literal["auto", "1", "2"] = "auto"
    node_timeout_s: Seconds = 120.0
    rssi_interval_s: Seconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualModbusConfig:
    """The server of the register images; without `listen` there is none."""

    listen: str = ""

    def __post_init__(self) -> None:
        if self.listen:
            with of_key("listen"):
                check_listen(self.listen)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node: by address, by the beginning of its address, or by the name that it has (NI)."""

    asset_id: str
    node_id: str = ""
    node_name: str = ""
    unit_id: Annotated[int, Bounds(1, 247)] | None = None
    node_timeout_s: Seconds | None = None
    order: Order = Order.ABCD
    header_bytes: Annotated[int, Bounds(0, 8)] = 0
    seq_at: Annotated[int, Bounds(0, 255)] | None = None
    source_endpoint: Endpoint | None = None
    destination_endpoint: Endpoint = 0xE8
    cluster: Number = 0x0011
    profile: Number = 0xC105
    tags: tuple[XbeeRow, ...] = ()
    tags_csv: Annotated[tuple[XbeeRow, ...], TableFile()] = ()

    def __post_init__(self) -> None:
        if not self.asset_id or not self.rows:
            msg = "a device needs an asset_id and at least one row in tags or tags_csv"
            raise ValueError(msg)
        if bool(self.node_id) == bool(self.node_name):
            msg = f"{self.asset_id}: give node_id (its 64-bit address, or how that begins) or node_name, one of them"
            raise ValueError(msg)
        if self.node_id and not _NODE_ID.fullmatch(self.node_id):
            msg = f'{self.asset_id}: node_id {self.node_id!r} is no address: write 16 hexadecimal digits, or "0013A200"'
            raise ValueError(msg)
        for row in self.rows:
            digits = self.header_bytes * 2
            if row.header and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", row.header):
                msg = f"{row.param}: header {row.header!r} must be {digits} hexadecimal digits, as header_bytes says"
                raise ValueError(msg)
        self.form()

    @property
    def rows(self) -> tuple[XbeeRow, ...]:
        """Those of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv

    def form(self) -> Form:
        """Its rows, compiled. Raises ValueError naming the row that is wrong."""
        rows = [FormRow(row=row, kind=row.header.upper()) for row in self.rows]
        return Form(rows, self.asset_id, _NATURAL.get, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeConfig(AdapterConfig):
    """adapters/xbee/<instance>.toml; `xbee.toml` beside this module explains every key."""

    source: XbeeSource
    virtual_modbus: VirtualModbusConfig = field(default_factory=VirtualModbusConfig)
    devices: tuple[NodeRow, ...] = ()

    def __post_init__(self) -> None:
        if not self.devices:
            msg = "nothing to read: give at least one of [[devices]]"
            raise ValueError(msg)
        refuse_twice("node", [(row.node_id or row.node_name).upper() for row in self.devices])
        refuse_twice("unit_id", [str(row.unit_id) for row in self.devices if row.unit_id is not None])
        refuse_twice("asset_id", [asset_id for row in self.devices for asset_id in row.form().assets])
        if self.virtual_modbus.listen and all(row.unit_id is None for row in self.devices):
            msg = "[virtual_modbus] listen: no device has a unit_id, so there is nothing to serve"
            raise ValueError(msg)
