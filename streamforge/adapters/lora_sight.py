"""Who a LoRa probe heard, as tables and as a configuration to start from. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamforge.adapters import cayenne_lpp
from streamforge.adapters.probing import Table
from streamforge.adapters.radio_sight import (
    DASH,
    TomlValue,
    asset_ids,
    device,
    register_rows,
    registers_table,
    row,
    table,
)
from streamforge.model import Value

# A site has fewer; what is beyond them is an attack or noise, and is counted alone.
MOST_SENDERS = 500
_MOST_OTHERS = 20
_OBJECT = "OBJECT."
_OWN = {"rssi", "snr", "frame_counter"}


@dataclass(slots=True, kw_only=True)
class Sender:
    """One device; `payloads` hold the last of each port (0 = none is said), `fields` the last decoded object."""

    name: str = ""
    messages: int = 0
    rssi_dbm: float | None = None
    snr_db: float | None = None
    counters: list[int] = field(default_factory=list)
    payloads: dict[int, bytes] = field(default_factory=dict)
    fields: dict[str, Value] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)

    def signal(self, rssi_dbm: float | None, snr_db: float | None) -> None:
        """How it was heard; the strongest is kept."""
        if rssi_dbm is not None and (self.rssi_dbm is None or rssi_dbm > self.rssi_dbm):
            self.rssi_dbm = rssi_dbm
        self.snr_db = snr_db if snr_db is not None else self.snr_db

    def count(self, counter: int) -> None:
        """A message of this frame counter; the same counter again is a copy that another gateway heard."""
        if self.counters[1:] != [counter]:
            self.messages += 1
            self.counters = [self.counters[0] if self.counters else counter, counter]


@dataclass(slots=True, kw_only=True)
class Senders:
    """By address, in the order in which they were heard; `others` counts what is no message of a device."""

    by_address: dict[str, Sender] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def at(self, address: str) -> Sender:
        """The sender of that address; one too many is given back, and forgotten."""
        if address not in self.by_address and len(self.by_address) >= MOST_SENDERS:
            self.others["messages of too many devices"] += 1
            return Sender()
        return self.by_address.setdefault(address, Sender())

    def other(self, what: str) -> None:
        """Something that is no message of a device; a few kinds are told apart."""
        self.others[what if what in self.others or len(self.others) < _MOST_OTHERS else "and more"] += 1


def tables_of(senders: Senders, *, address: str, way: str, is_readable: bool = True) -> list[Table]:
    """Who was heard, what stands in the payloads, and what else came. `address` and `way` head their columns."""
    tables = []
    if senders.by_address:
        columns = (address, "name", "messages", "counters", "best RSSI", "SNR", "port", "last payload", way)
        rows = [line for key, one in senders.by_address.items() for line in _lines(key, one)]
        tables.append(Table(title="heard", columns=columns, rows=tuple(rows)))
    for key, one in senders.by_address.items():
        if is_readable:
            tables += _contents(f"{key} {one.name}".rstrip(), one)
    if senders.others:
        rows = [(what, str(count)) for what, count in senders.others.items()]
        tables.append(Table(title="not taken for a message of a device", columns=("what", "times"), rows=tuple(rows)))
    return tables


def _lines(key: str, one: Sender) -> list[tuple[str, ...]]:
    """A line for each port."""
    ways = ", ".join(f"{way} ({count})" for way, count in one.ways.items())
    head = (
        key,
        one.name,
        str(one.messages),
        " to ".join(map(str, dict.fromkeys(one.counters))),
        *map(_number, (one.rssi_dbm, one.snr_db)),
    )
    return [
        (*head, str(port or DASH), payload.hex(" "), ways)
        for port, payload in sorted((one.payloads or {0: b""}).items())
    ]


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:g}"


def _contents(who: str, one: Sender) -> list[Table]:
    """The decoded object, and each port's payload as registers, and as Cayenne LPP where it could be that."""
    tables = []
    if one.fields:
        rows = tuple((name, str(value)) for name, value in sorted(one.fields.items()))
        tables.append(Table(title=f"{who}, decoded by the server", columns=("at", "value"), rows=rows))
    for port, payload in sorted(one.payloads.items()):
        title = f"{who}, port {port}" if port else who
        if payload:
            tables.append(registers_table(title, payload))
        if lpp := _lpp(payload):
            rows = tuple((name, f"{value:g}") for name, value in lpp.items())
            tables.append(Table(title=f"{title}, if it is Cayenne LPP", columns=("at", "value"), rows=rows))
    return tables


def _lpp(payload: bytes) -> Mapping[str, float]:
    try:
        return cayenne_lpp.decode(payload)
    except ValueError:
        return {}


def configuration(
    source: Mapping[str, TomlValue],
    mqtt: Mapping[str, TomlValue],
    senders: Sequence[tuple[Sender, Mapping[str, TomlValue]]],
) -> str:
    """A configuration that reads these; each with the keys that say which device it is."""
    parts = ['protocol = "lora"', table("[source]", source)]
    if mqtt:
        parts.append(table("[mqtt]", mqtt))
    readable = [(one, keys, rows) for one, keys in senders if (rows := _rows(one))]
    names = asset_ids(one.name or str(next(iter(keys.values()), "node")) for one, keys, _ in readable)
    for asset_id, (_, keys, rows) in zip(names, readable, strict=True):
        parts.append(device({"asset_id": asset_id, **keys}, rows))
    return "\n\n".join(parts) + "\n" if readable else ""


def _rows(one: Sender) -> list[str]:
    """What the server decoded; without it the registers of each port; and how it was heard."""
    rows = [_object_row(name, value) for name, value in sorted(one.fields.items()) if value is not None]
    for port, payload in sorted(one.payloads.items()):
        if not one.fields:
            rows += register_rows(payload, f"port_{port}_", fport=port) if port else register_rows(payload)
    rows += [row("rssi", "RSSI", unit="dBm")] if one.rssi_dbm is not None else []
    rows += [row("snr", "SNR", unit="dB")] if one.snr_db is not None else []
    return rows + ([row("frame_counter", "FCNT")] if one.counters else [])


def _object_row(name: str, value: Value) -> str:
    param = name.removeprefix(_OBJECT).lower()
    param = f"object_{param}" if param in _OWN else param
    kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "float64"
    return row(param, name, type=kind)
