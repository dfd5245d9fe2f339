"""Cayenne Low Power Payload: channel, type and value of each reading, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct


@dataclass(frozen=True, slots=True)
class _Kind:
    """Names of the values, and how they are read from the bytes."""

    names: tuple[str, ...]
    size: int
    read: Callable[[bytes], tuple[float, ...]]


def _numbers(name: str, form: str, divisor: int = 1) -> _Kind:
    """One big-endian number, or three with the axes as their names."""
    unpack = Struct(">" + form)
    count = len(unpack.unpack(bytes(unpack.size)))
    names = (name,) if count == 1 else tuple(f"{name}.{axis}" for axis in "XYZ")

    def read(raw: bytes) -> tuple[float, ...]:
        found = unpack.unpack(raw)
        return found if divisor == 1 else tuple(value / divisor for value in found)

    return _Kind(names, unpack.size, read)


def _position(raw: bytes) -> tuple[float, ...]:
    """Latitude and longitude in 0.0001 degrees, altitude in cm, three signed bytes each."""
    parts = [int.from_bytes(raw[at : at + 3], "big", signed=True) for at in (0, 3, 6)]
    return parts[0] / 10_000, parts[1] / 10_000, parts[2] / 100


def _three_bytes(raw: bytes) -> tuple[float, ...]:
    return (int.from_bytes(raw, "big", signed=True) / 1000,)


# IPSO object number - 3200, as in Cayenne's and ElectronicCats' lists.
_KINDS = {
    0: _numbers("DIGITAL_IN", "B"),
    1: _numbers("DIGITAL_OUT", "B"),
    2: _numbers("ANALOG_IN", "h", 100),
    3: _numbers("ANALOG_OUT", "h", 100),
    100: _numbers("GENERIC", "I"),
    101: _numbers("ILLUMINANCE", "H"),
    102: _numbers("PRESENCE", "B"),
    103: _numbers("TEMPERATURE", "h", 10),
    104: _numbers("HUMIDITY", "B", 2),
    113: _numbers("ACCELEROMETER", "hhh", 1000),
    115: _numbers("PRESSURE", "H", 10),
    116: _numbers("VOLTAGE", "H", 100),
    117: _numbers("CURRENT", "H", 1000),
    118: _numbers("FREQUENCY", "I"),
    120: _numbers("PERCENTAGE", "B"),
    121: _numbers("ALTITUDE", "h"),
    122: _Kind(("LOAD",), 3, _three_bytes),
    125: _numbers("CONCENTRATION", "H"),
    128: _numbers("POWER", "H"),
    130: _numbers("DISTANCE", "I", 1000),
    131: _numbers("ENERGY", "I", 1000),
    132: _numbers("DIRECTION", "H"),
    133: _numbers("TIME", "I"),
    134: _numbers("GYROMETER", "hhh", 100),
    135: _Kind(("COLOUR.RED", "COLOUR.GREEN", "COLOUR.BLUE"), 3, tuple),
    136: _Kind(("GPS.LATITUDE", "GPS.LONGITUDE", "GPS.ALTITUDE"), 9, _position),
    142: _numbers("SWITCH", "B"),
}
NAMES = frozenset(name for kind in _KINDS.values() for name in kind.names)


def decode(payload: bytes) -> dict[str, float]:
    """`LPP<channel>.<NAME>` -> value, as in LPP1.TEMPERATURE.

    Raises ValueError at an unknown type or an end in the middle: nothing behind it can be told apart.
    """
    found: dict[str, float] = {}
    at = 0
    while at < len(payload):
        kind = _KINDS.get(payload[at + 1]) if at + 1 < len(payload) else None
        if kind is None:
            msg = f"Cayenne LPP: no known type at byte {at + 1}"
            raise ValueError(msg)
        raw = payload[at + 2 : at + 2 + kind.size]
        if len(raw) < kind.size:
            msg = f"Cayenne LPP: {kind.names[0]} at byte {at} is cut short"
            raise ValueError(msg)
        found |= {f"LPP{payload[at]}.{name}": value for name, value in zip(kind.names, kind.read(raw), strict=True)}
        at += 2 + kind.size
    return found
