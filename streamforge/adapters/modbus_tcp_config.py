"""The configuration of modbus-tcp: `modbus_tcp.toml` beside this module explains every key."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, NamedTuple

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.modbus_config import (
    Mapping,
    Output,
    PauseMs,
    UnitRow,
    UnitSource,
    check_short_form,
    check_units,
)
from streamforge.config import Bounds

MODBUS_PORT = 502
Port = Annotated[int, Bounds(1, 65535)]


class Framer(StrEnum):
    """What stands around a request: Modbus TCP's own header, or a serial frame in TCP."""

    SOCKET = "socket"
    RTU = "rtu"


class Endpoint(NamedTuple):
    """Where a unit is reached; units of one endpoint share a connection."""

    host: str
    port: int
    framer: Framer


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(UnitSource):
    """The device at the other end; `[[devices]]` may name others."""

    host: str = ""
    port: Port = MODBUS_PORT
    framer: Framer = Framer.SOCKET
    connect_pause_ms: PauseMs = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow(UnitRow):
    """One unit, which may stand behind another host."""

    host: str = ""
    port: Port | None = None
    framer: Framer | None = None
    connect_pause_ms: PauseMs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusTcpConfig(AdapterConfig):
    """adapters/modbus-tcp/<instance>.toml; `modbus_tcp.toml` beside this module explains every key."""

    source: Source = field(default_factory=Source)
    output: Output = field(default_factory=Output)
    mapping: Mapping = field(default_factory=Mapping)
    devices: tuple[DeviceRow, ...] = ()

    def __post_init__(self) -> None:
        check_short_form(self.mapping, self.output)
        framers: dict[tuple[str, int], Framer] = {}
        for row in self.rows():
            host, port, framer = self.endpoint(row)
            if not host:
                msg = f"{row.asset_id}: no host: set it in [source] or in the device"
                raise ValueError(msg)
            if framers.setdefault((host, port), framer) is not framer:
                msg = f"{row.asset_id}: {host}:{port} is read with two framers: one address has one"
                raise ValueError(msg)
        check_units(self.mapping, self.devices, self.rows(), self.source)

    def rows(self) -> Iterator[DeviceRow]:
        """Every unit, that of the short form first."""
        if self.mapping.registers:
            yield DeviceRow(asset_id=self.output.asset_id, tags=self.mapping.rows())
        yield from self.devices

    def endpoint(self, row: DeviceRow) -> Endpoint:
        """Where this unit is reached."""
        source = self.source
        return Endpoint(row.host or source.host, row.port or source.port, row.framer or source.framer)

    def connect_pause_seconds(self, row: DeviceRow) -> float:
        """How long this unit wants to be left alone after connecting."""
        own = row.connect_pause_ms
        return (self.source.connect_pause_ms if own is None else own) / 1000
