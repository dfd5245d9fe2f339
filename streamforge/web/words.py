"""Numbers and times as a person reads them. Pure; times are microseconds since 1970 UTC unless the name says more."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from streamforge.model import Value

_MICROSECONDS = 1_000_000
_SYMBOLS = {
    "celsius": "\u00b0C", "fahrenheit": "\u00b0F", "kelvin": "K", "percent": "%", "m2": "m\u00b2", "m3": "m\u00b3",
    "m3/h": "m\u00b3/h", "Nm3/h": "Nm\u00b3/h", "m3/s": "m\u00b3/s", "m/s2": "m/s\u00b2", "uS/cm": "\u00b5S/cm",
    "ohm": "\u03a9",
}  # fmt: skip
# How a unit's status says that it waits for Kafka; the rest of such a line is the client's own.
_WAITS_FOR_LOG = re.compile(r"(waiting for )?the broker\b.*", re.DOTALL)


def local_zone() -> tzinfo:
    """The gateway's time zone."""
    return datetime.now(UTC).astimezone().tzinfo or UTC


def age(seconds: float) -> str:
    """How long ago or how long: "0.4 s", "42 s", "4 min 42 s", "3 h 12 min", "5 days"."""
    if seconds < 0:
        return "0.0 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"


def since(then_us: int, now_us: int) -> str:
    """The age of a moment, or "never" where it is unknown."""
    return age((now_us - then_us) / _MICROSECONDS) if then_us else "never"


def clock(time_us: int, now_us: int, zone: tzinfo) -> str:
    """Local time of day, with the date in front where it is not today's."""
    if not time_us:
        return "unknown"
    then = datetime.fromtimestamp(time_us / _MICROSECONDS, zone)
    today = datetime.fromtimestamp(now_us / _MICROSECONDS, zone).date()
    return f"{then:%H:%M:%S}" if then.date() == today else f"{then:%Y-%m-%d %H:%M:%S}"


def zone_name(now_us: int, zone: tzinfo) -> str:
    """The zone's short name at that time."""
    return datetime.fromtimestamp(now_us / _MICROSECONDS, zone).tzname() or "UTC"


def count(number: float) -> str:
    """A number of things: 1,204 or, from a million, 1.6 M."""
    if number >= 1_000_000_000:
        return f"{number / 1_000_000_000:.1f} G"
    return f"{number / 1_000_000:.1f} M" if number >= 1_000_000 else f"{number:,.0f}"


def rate(number: float) -> str:
    """Things a second: one decimal below ten."""
    return f"{number:.1f}" if 0 < number < 10 else count(number)


def size(size_bytes: float) -> str:
    """Bytes in decimal units, as disks are sold: 41 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if size_bytes >= 10 or unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 device", "6 devices"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def unit(name: str) -> str:
    """A unit of measure by its sign where it has one: "celsius" is written \u00b0C."""
    return _SYMBOLS.get(name, name)


def plain(status: str) -> str:
    """What a unit says of itself, without the words of the client library."""
    return _WAITS_FOR_LOG.sub("waits for the log (Kafka)", status)


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c", "a and 4 others"."""
    if len(names) > 3:
        return f"{names[0]} and {len(names) - 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def value(reading: Value) -> str:
    """A reading: five significant digits, on/off for booleans, a dash where there is none."""
    if reading is None:
        return "\u2013"
    if isinstance(reading, bool):
        return "on" if reading else "off"
    if isinstance(reading, str):
        return reading if len(reading) <= 60 else reading[:59] + "\u2026"
    if isinstance(reading, int):
        return f"{reading:,}" if abs(reading) < 10**15 else str(reading)
    return _number(reading)


def _number(reading: float) -> str:
    if math.isnan(reading):
        return "\u2013"
    if math.isinf(reading):
        return "\u221e" if reading > 0 else "\u2212\u221e"
    magnitude = abs(reading)
    if magnitude and (magnitude < 0.001 or magnitude >= 1e9):
        return f"{reading:.4g}"
    # A fixed number of places for a magnitude: the last digit does not come and go from scan to scan.
    places = 3 if magnitude < 10 else 2 if magnitude < 1000 else 1 if magnitude < 10000 else 0
    return f"{reading:,.{places}f}"
