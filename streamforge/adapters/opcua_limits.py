"""How much one request may carry: what a server says of itself, what its maker's servers are known to bear, the chunks.

A server whose limits are exceeded answers BadTooManyOperations, or is slow beyond measure without a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
FALLBACK = 100


class Profile(StrEnum):
    """Servers that are known, by what they call themselves; AUTO = look at the server's build information."""

    AUTO = "auto"
    UNKNOWN = "unknown"
    S7_1200 = "s7-1200"
    S7_1500 = "s7-1500"
    IGNITION = "ignition"
    KEPWARE = "kepware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Operations a request: reads, monitored items, browses and browse paths; `items` in all (0 = no bound known)."""

    reads: int = FALLBACK
    monitored: int = FALLBACK
    browses: int = FALLBACK
    paths: int = FALLBACK
    items: int = 0


# As far as is known from the field; what a server says of itself lowers it.
_PROFILES = {
    Profile.UNKNOWN: Limits(),
    Profile.S7_1200: Limits(items=1000),
    Profile.S7_1500: Limits(reads=500, monitored=500, items=10_000),
    Profile.IGNITION: Limits(),
    Profile.KEPWARE: Limits(reads=1000, monitored=1000),
}
_NAMES = {
    "s7-1200": Profile.S7_1200, "s7-1500": Profile.S7_1500, "simatic": Profile.S7_1200, "ignition": Profile.IGNITION,
    "kepserver": Profile.KEPWARE, "kepware": Profile.KEPWARE, "thingworx": Profile.KEPWARE,
}  # fmt: skip
# Server.ServerCapabilities.OperationLimits (OPC 10000-5, 6.3.11).
LIMIT_NODES = {"reads": 11705, "monitored": 11714, "browses": 11710, "paths": 11712}


def profile_of(build: Sequence[str]) -> Profile:
    """The profile that product and manufacturer of the build information suggest; the more careful one where unsure."""
    words = " ".join(build).lower()
    return next((profile for name, profile in _NAMES.items() if name in words), Profile.UNKNOWN)


def limits_of(profile: Profile, said: dict[str, int]) -> Limits:
    """The limits to keep: what the server says (`said`: as LIMIT_NODES, 0 or absent = nothing), and the profile's.

    A server of an unknown make is believed; one that is known is never asked for more than it is known to bear.
    """
    known = _PROFILES[profile]
    found = {name: said.get(name, 0) for name in LIMIT_NODES}
    if profile is Profile.UNKNOWN:
        kept = {name: value or FALLBACK for name, value in found.items()}
    else:
        kept = {name: min(value or getattr(known, name), getattr(known, name)) for name, value in found.items()}
    return Limits(**kept, items=known.items)


def chunks(wanted: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`wanted` in runs of at most `size`, in order."""
    for start in range(0, len(wanted), size):
        yield wanted[start : start + size]
