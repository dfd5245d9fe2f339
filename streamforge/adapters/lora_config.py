"""The configuration of lora: `lora.toml` beside this module explains every key."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.cayenne_lpp import NAMES
from streamforge.adapters.doubles import refuse_twice
from streamforge.adapters.lora_servers import TOPICS
from streamforge.adapters.lorawan import key_of
from streamforge.adapters.mqtt_source import Source as MqttSource
from streamforge.adapters.mqtt_topics import parse_pattern
from streamforge.adapters.radio_form import Form, FormRow, check_row
from streamforge.adapters.tags import DataType, Order, TagRow
from streamforge.adapters.virtual_modbus import check_listen
from streamforge.config import Bounds, KeyedError, TableFile, of_key

SEMTECH_UDP, SERIAL = "semtech_udp", "serial"
LPP = "LPP"
_NATURAL = {"RSSI": DataType.FLOAT64, "SNR": DataType.FLOAT64, "FCNT": DataType.INT64, "FPORT": DataType.INT64}
_LPP_NAME = re.compile(r"LPP(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\.(.+)")
_SECRET = "${secret:"  # noqa: S105 - how one is written, none itself
Seconds = Annotated[float, Bounds(0.0, 2_592_000.0)]


def natural(name: str) -> DataType | None:
    """The type of a name that a row may read; None where there is no such name."""
    if name.startswith("OBJECT."):
        return DataType.FLOAT64
    lpp = _LPP_NAME.fullmatch(name)
    return DataType.FLOAT64 if lpp and lpp[1] in NAMES else _NATURAL.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraRow(TagRow):
    """A tag row whose `at` is a register of the payload, LPP1.TEMPERATURE, OBJECT.level, RSSI, SNR, FCNT or FPORT.

    `fport` says which messages it is read from; without it, from every one.
    """

    fport: Annotated[int, Bounds(1, 255)] | None = None

    def __post_init__(self) -> None:
        TagRow.__post_init__(self)
        check_row(self, natural, "LPP1.TEMPERATURE, OBJECT.level, RSSI, SNR, FCNT, FPORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSource:
    """Where messages come from: gateways with a packet forwarder, a network server, or a modem on a serial port."""

    transport: Literal["semtech_udp", "serial", "chirpstack", "ttn"]
    listen: str = "0.0.0.0:1700"
    gateways: tuple[str, ...] = ()
    gateway_timeout_s: Seconds = 120.0
    topic: str = ""
    lora_port: str = ""
    baud_rate: Annotated[int, Bounds(1200, 921_600)] = 115_200
    modem: Literal["rak", "rn2483", "e22"] = "rak"
    framing: Literal["length", "length_crc"] = "length_crc"
    commands: tuple[str, ...] = ()
    node_timeout_s: Seconds = 86_400.0

    def __post_init__(self) -> None:
        with of_key("listen"):
            check_listen(self.listen)
        if self.transport == SEMTECH_UDP and not self.gateways:
            msg = "gateways is empty: name the EUIs of the gateways that are listened to (anybody can send datagrams)"
            raise KeyedError(msg, "gateways")
        if self.transport == SERIAL and not self.lora_port:
            msg = 'lora_port is missing: the serial port of the modem, for example "/dev/serial/by-id/..."'
            raise ValueError(msg)
        with of_key("gateways"):
            for eui in self.gateways:
                _hexadecimal("gateway", eui, 16)
        if self.topic and parse_pattern(self.topic).filter != self.topic:
            msg = f'topic "{self.topic}" has named parts: a device is known by its dev_eui, so write + and # alone'
            raise ValueError(msg)

    @property
    def is_server(self) -> bool:
        """Whether a network server publishes the messages over MQTT."""
        return self.transport in TOPICS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraDevice:
    """One device: by LoRaWAN address and keys, by its DevEUI at a server, or by how its messages begin."""

    asset_id: str
    dev_addr: str = ""
    nwk_skey: str = field(default="", repr=False)
    app_skey: str = field(default="", repr=False)
    accept_counter_reset: bool = False
    dev_eui: str = ""
    header: str = ""
    node_timeout_s: Seconds | None = None
    order: Order = Order.ABCD
    tags: tuple[LoraRow, ...] = ()
    tags_csv: Annotated[tuple[LoraRow, ...], TableFile()] = ()

    def __post_init__(self) -> None:
        if not self.asset_id or not self.rows:
            msg = "a device needs an asset_id and at least one row in tags or tags_csv"
            raise ValueError(msg)
        if self.dev_addr:
            with of_key("dev_addr"):
                _hexadecimal("dev_addr", self.dev_addr, 8)
            for name, key in (("nwk_skey", self.nwk_skey), ("app_skey", self.app_skey)):
                if _SECRET not in key:
                    with of_key(name):
                        key_of(key)
        if self.dev_eui:
            _hexadecimal("dev_eui", self.dev_eui, 16)
        if len(self.header) % 2 or not re.fullmatch(r"[0-9a-fA-F]{0,32}", self.header):
            msg = f"{self.asset_id}: header {self.header!r} is not whole bytes in hexadecimal, 16 at most"
            raise ValueError(msg)
        self.form()

    @property
    def rows(self) -> tuple[LoraRow, ...]:
        """Those of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv

    def form(self) -> Form:
        """Its rows, compiled. Raises ValueError naming the row that is wrong."""
        rows = [FormRow(row=row, kind=str(row.fport or "")) for row in self.rows]
        return Form(rows, self.asset_id, natural, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig(AdapterConfig):
    """adapters/lora/<instance>.toml; `lora.toml` beside this module explains every key."""

    source: LoraSource
    mqtt: MqttSource | None = None
    devices: tuple[LoraDevice, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.devices:
            msg = "nothing to read: give at least one of [[devices]]"
            raise ValueError(msg)
        if self.source.is_server and self.mqtt is None:
            msg = f"[mqtt] is missing: the broker to which {self.source.transport} publishes"
            raise ValueError(msg)
        key = _known_by(self.source)
        for number, device in enumerate(self.devices):
            if not getattr(device, key) and key in _NEEDED:
                msg = f"{device.asset_id}: over {self.source.transport} a device needs {_NEEDED[key]}"
                raise KeyedError(msg, "devices", number)
        refuse_twice(key, [str(getattr(device, key)).lower() for device in self.devices])
        refuse_twice("asset_id", [asset_id for device in self.devices for asset_id in device.form().assets])

    @property
    def session(self) -> str:
        """What no other instance may have."""
        return self.mqtt.session if self.mqtt is not None and self.source.is_server else ""

    @property
    def peer(self) -> str:
        """What is connected to."""
        if self.mqtt is not None and self.source.is_server:
            return f"{self.mqtt.host}:{self.mqtt.port}"
        return self.source.listen if self.source.transport == SEMTECH_UDP else self.source.lora_port


_NEEDED = {"dev_addr": "dev_addr, nwk_skey and app_skey", "dev_eui": "its dev_eui"}


def _known_by(source: LoraSource) -> str:
    """The key by which a device is told from others."""
    if source.is_server:
        return "dev_eui"
    return "dev_addr" if source.transport == SEMTECH_UDP else "header"


def _hexadecimal(what: str, text: str, digits: int) -> None:
    if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
        msg = f"{what} {text!r} must be {digits} hexadecimal digits"
        raise ValueError(msg)
