"""What is known of one device: how it stands, what it was asked, what went wrong; for health, page and metrics."""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from streamforge.adapters.base import Device

CONNECTION = "connection"
_KIND = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:: |$)")


class DeviceState(StrEnum):
    """How a device stands."""

    CONNECTING = "CONNECTING"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


@dataclass(slots=True, kw_only=True)
class DeviceRecord:
    """What is known of one device, for health and page."""

    state: DeviceState = DeviceState.CONNECTING
    last_success_us: int = 0
    last_error: str = ""
    refused: str = ""
    requests: int = 0
    errors: int = 0
    errors_by_kind: Counter[str] = field(default_factory=Counter)
    request_seconds: float = 0.0
    latency_seconds: float = 0.0

    def took(self, seconds: float) -> None:
        """One request, however it ended."""
        self.requests += 1
        self.latency_seconds = seconds
        self.request_seconds += seconds

    def answered(self, time_us: int) -> bool:
        """A scan with at least one reading that is not BAD; True when the device was away before."""
        was_away = self.state is DeviceState.OFFLINE
        self.state, self.last_success_us, self.last_error = DeviceState.ONLINE, time_us, ""
        return was_away

    def refuses(self, what: str) -> bool:
        """What the device says it does not have, of what the configuration asks for ("" = nothing); True when new."""
        is_new = bool(what) and not self.refused
        self.refused = what
        return is_new

    def told_bad(self, reason: str) -> None:
        """It sent, and nothing that is good: no success, and no sign that it is away."""
        self.errors += 1
        self.errors_by_kind[kind_of(reason)] += 1
        self.last_error = reason

    def failed(self, reason: str) -> bool:
        """No good reading; True when that is new."""
        is_new = self.state is not DeviceState.OFFLINE
        self.errors += 1
        self.errors_by_kind[kind_of(reason)] += 1
        self.state, self.last_error = DeviceState.OFFLINE, reason
        return is_new


def device_details(device: Device, record: DeviceRecord) -> dict[str, object]:
    """One device as health and page show it."""
    return {
        "key": device.key,
        "asset_id": device.asset_id,
        "address": device.address,
        "state": record.state.value,
        "last_success_us": record.last_success_us,
        "last_error": record.last_error or record.refused,
        "interval_seconds": device.interval_seconds,
        "points": len(device.names),
        "requests": record.requests,
        "errors": record.errors,
        "latency_seconds": round(record.latency_seconds, 4),
    }


def kind_of(reason: str) -> str:
    """The kind of an error by the reason of its readings: `timeout`, `config_error`; else the connection's."""
    found = _KIND.match(reason)
    return found[1] if found else CONNECTION
