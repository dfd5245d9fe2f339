"""The broker of an mqtt configuration: where it is, who we are there, whom we trust."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from streamforge.config import Bounds, KeyedError

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Version(StrEnum):
    """Which MQTT is spoken."""

    V5 = "5"
    V3 = "3.1.1"


Qos = Annotated[int, Bounds(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The broker, and the session that it keeps under `client_id`."""

    broker: str
    client_id: str
    version: Version = Version.V5
    qos: Qos = 1
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = field(default="", repr=False)
    key_file: str = field(default="", repr=False)
    keepalive_s: Annotated[int, Bounds(1, 3600)] = 30
    connect_timeout_s: Annotated[int, Bounds(1, 120)] = 10
    session_expiry_s: Annotated[int, Bounds(0, 4_294_967_295)] = 604_800
    max_payload_bytes: Annotated[int, Bounds(16, 524_288)] = 262_144

    def __post_init__(self) -> None:
        url = urlsplit(self.broker)
        if "@" in url.netloc:  # and what stands there may be a password
            msg = "a user does not stand in the address of the broker: write username and password"
            raise KeyedError(msg, "broker")
        if url.scheme not in PORTS or not url.hostname or url.path not in {"", "/"} or not _port(self.broker):
            msg = f'broker = "{self.broker}": write for example mqtt://192.168.1.5 or mqtts://broker.local:8883'
            raise KeyedError(msg, "broker")
        if not self.client_id:
            msg = "client_id is empty: the broker keeps what we miss under it, so it is unique there and never changes"
            raise ValueError(msg)
        if url.scheme == "mqtt" and (self.ca_file or self.cert_file or self.key_file):
            msg = "ca_file, cert_file and key_file belong to TLS: write mqtts:// in broker"
            raise KeyedError(msg, "broker")
        if bool(self.cert_file) != bool(self.key_file):
            msg = "cert_file and key_file belong together: one is missing"
            raise ValueError(msg)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.broker).scheme == "mqtts"

    @property
    def session(self) -> str:
        """What the broker keeps, which is of one reader alone."""
        return f"{self.client_id} at {self.host}:{self.port}"

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.broker).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        return _port(self.broker)


def _port(broker: str) -> int:
    """The port, 0 where it is none."""
    url = urlsplit(broker)
    try:
        return PORTS.get(url.scheme, 0) if url.port is None else url.port
    except ValueError:
        return 0
