"""The configuration of opcua: `opcua.toml` beside this module explains every key."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from streamforge.adapters.base import AdapterConfig
from streamforge.adapters.doubles import placed, refuse_doubles
from streamforge.adapters.opcua_address import parse_address
from streamforge.adapters.opcua_limits import Profile
from streamforge.adapters.tags import TagRow
from streamforge.config import Bounds, KeyedError, TableFile, of_key

SCHEME = "opc.tcp"
PORT = 4840
SERVER_OBJECT = "i=2253"
Milliseconds = Annotated[int, Bounds(10, 86_400_000)]


class Policy(StrEnum):
    """Security policies (OPC 10000-7); what is not here is too weak to be offered."""

    NONE = "None"
    BASIC256_SHA256 = "Basic256Sha256"
    AES128_SHA256_RSA_OAEP = "Aes128Sha256RsaOaep"
    AES256_SHA256_RSA_PSS = "Aes256Sha256RsaPss"


class Mode(StrEnum):
    """What is done to each message."""

    NONE = "None"
    SIGN = "Sign"
    SIGN_AND_ENCRYPT = "SignAndEncrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow(TagRow):
    """A tag row whose `at` is a node (see `streamforge.adapters.opcua_address`)."""

    def __post_init__(self) -> None:
        TagRow.__post_init__(self)
        if not self.at:
            msg = f'{self.param}: `at` is missing: the node to read, for example "ns=2;s=Name"'
            raise KeyedError(msg, "at")
        if self.type or self.order:
            msg = f"{self.param}: type and order are the server's to say, leave them out"
            raise KeyedError(msg, "type" if self.type else "order")
        with of_key("at"):
            parse_address(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The server, and how it is spoken with. A user is named by a password or by a certificate (PEM text), or not."""

    endpoint: str
    security_policy: Policy = Policy.BASIC256_SHA256
    security_mode: Mode = Mode.SIGN_AND_ENCRYPT
    username: str = ""
    password: str = field(default="", repr=False)
    user_certificate: str = ""
    user_key: str = field(default="", repr=False)
    profile: Profile = Profile.AUTO
    timeout_ms: Annotated[int, Bounds(100, 120_000)] = 10_000

    def __post_init__(self) -> None:
        with of_key("endpoint"):
            _check_endpoint(self.endpoint)
        if (self.security_policy is Policy.NONE) != (self.security_mode is Mode.NONE):
            msg = 'security_policy and security_mode are both "None" (nothing is protected) or neither is'
            raise ValueError(msg)
        if bool(self.username) != bool(self.password) or bool(self.user_certificate) != bool(self.user_key):
            msg = "username and password belong together, and so do user_certificate and user_key"
            raise ValueError(msg)
        if self.username and self.user_certificate:
            msg = "the user is named by a password or by a certificate, not by both"
            raise ValueError(msg)

    @property
    def url(self) -> str:
        """The endpoint with its port."""
        return self.endpoint if urlsplit(self.endpoint).port else _with_port(self.endpoint)

    @property
    def host(self) -> str:
        """The host in the endpoint."""
        return urlsplit(self.endpoint).hostname or ""


def _check_endpoint(endpoint: str) -> None:
    """Raises ValueError, which does not show what stands before an @: a password may be there."""
    parts = urlsplit(endpoint)
    if "@" in parts.netloc:
        msg = "a user does not stand in the address: write username and password"
        raise ValueError(msg)
    try:
        is_known = parts.scheme == SCHEME and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port above 65535, or none at all
        is_known = False
    if not is_known:
        msg = f'endpoint {endpoint!r} is not understood: write for example "opc.tcp://plc.local:4840"'
        raise ValueError(msg)


def _with_port(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What is asked of the server: how often it samples and sends, and how much it keeps while the link is down.

    `sampling_ms` 0 = as fast as the server can, with some at each change. `alarms` asks for Alarms & Conditions of the
    object `alarms_at`; they are of `[output] asset_id`.
    """

    publish_ms: Milliseconds = 500
    sampling_ms: Annotated[int, Bounds(0, 86_400_000)] = 250
    queue_size: Annotated[int, Bounds(1, 100_000)] = 240
    keep_alive_s: Annotated[int, Bounds(1, 120)] = 10
    alarms: bool = False
    alarms_at: str = SERVER_OBJECT

    def __post_init__(self) -> None:
        parse_address(self.alarms_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Whose readings and alarms these are where nothing else says it."""

    asset_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseRow:
    """Every variable below a node whose path fits: `include` and `exclude` are globs over names joined by "/".

    `param` names the parameter: {path} is the path with dots, {name} its last name, {parent} the one before.
    """

    at: str
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    param: str = "{path}"
    asset_id: str = ""
    most: Annotated[int, Bounds(1, 100_000)] = 5000
    depth: Annotated[int, Bounds(1, 50)] = 10

    def __post_init__(self) -> None:
        parse_address(self.at)
        try:
            self.parameter(("parent", "name"))
        except (KeyError, IndexError, ValueError) as error:
            msg = f"param {self.param!r} is not understood: it may hold {{path}}, {{name}} and {{parent}}"
            raise ValueError(msg) from error

    def parameter(self, path: tuple[str, ...]) -> str:
        """The parameter's name of the variable at this path."""
        parent = path[-2] if len(path) > 1 else ""
        return self.param.format(path=".".join(path), name=path[-1], parent=parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """The nodes of one asset."""

    asset_id: str
    tags: tuple[NodeRow, ...] = ()
    tags_csv: Annotated[tuple[NodeRow, ...], TableFile()] = ()

    def __post_init__(self) -> None:
        if not self.asset_id or not self.rows:
            msg = "a device needs an asset_id and at least one row in tags or tags_csv"
            raise ValueError(msg)

    @property
    def rows(self) -> tuple[NodeRow, ...]:
        """Those of the file itself, then those of the table beside it."""
        return self.tags + self.tags_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcUaConfig(AdapterConfig):
    """adapters/opcua/<instance>.toml; `opcua.toml` beside this module explains every key."""

    source: Source
    subscription: Subscription = field(default_factory=Subscription)
    output: Output = field(default_factory=Output)
    browse: tuple[BrowseRow, ...] = ()
    browse_again_hours: Annotated[int, Bounds(1, 8760)] = 24
    devices: tuple[DeviceRow, ...] = ()

    def __post_init__(self) -> None:
        if not self.devices and not self.browse and not self.subscription.alarms:
            msg = "nothing to read: give [[devices]], [[browse]], or alarms = true in [subscription]"
            raise ValueError(msg)
        has_own = all(row.asset_id for row in self.browse) and not self.subscription.alarms
        if not has_own and not self.output.asset_id:
            msg = "[output] asset_id is missing: whose are the browsed variables and the alarms?"
            raise ValueError(msg)
        refuse_doubles(
            (("devices", number, *place), row.asset_id or device.asset_id, row.param)
            for number, device in enumerate(self.devices)
            for place, row in placed(device.tags, device.tags_csv)
        )

    def rows(self) -> Iterator[tuple[str, NodeRow]]:
        """Every row with its asset."""
        for device in self.devices:
            for row in device.rows:
                yield row.asset_id or device.asset_id, row
