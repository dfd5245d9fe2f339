"""An OPC UA server as a probe shows it: what it offers, who it is, its variables; and a configuration of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncua import ua

from streamforge.adapters.opcua_address import NodeAddress, address_text
from streamforge.adapters.opcua_config import Mode, Source
from streamforge.adapters.opcua_items import Item
from streamforge.adapters.opcua_link import offer_of
from streamforge.adapters.opcua_trust import fingerprint, parse_certificate
from streamforge.adapters.opcua_values import as_json, as_text, quality_of
from streamforge.adapters.probing import Table
from streamforge.adapters.toml_words import pair, row, rows
from streamforge.model import Quality

MOST_SHOWN = 40
_TOKENS = {"Anonymous": "anonymous", "UserName": "password", "Certificate": "certificate", "IssuedToken": "token"}
# Not of the moment: who reads such a node with these rights never gets a value.
_NEVER = {"BadNotReadable", "BadUserAccessDenied", "BadAttributeIdInvalid", "BadNodeIdUnknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One variable: where it stands, what it is read as, and what it said."""

    path: tuple[str, ...]
    item: Item
    unit: str
    data: ua.DataValue

    @property
    def at(self) -> str:
        """Its node, as a configuration names it."""
        address = self.item.address
        return address_text(address) if isinstance(address, NodeAddress) else ""

    @property
    def status(self) -> str:
        """The name of its status code."""
        code = self.data.StatusCode.value if self.data.StatusCode is not None else 0
        return quality_of(code)[1] or Quality.GOOD.name.title()

    @property
    def type(self) -> str:
        """Of the value that it has now; "" where it has none."""
        variant = self.data.Value
        if variant is None or variant.Value is None:
            return ""
        length = f"[{len(variant.Value)}]" if isinstance(variant.Value, list) else ""
        return f"{variant.VariantType.name}{length}"

    @property
    def value(self) -> str:
        """The value, cut to what fits a line."""
        value = self.data.Value.Value if self.data.Value is not None else None
        text = "" if value is None else as_json(value) if isinstance(value, list) else as_text(value)
        text = " ".join(text.split())
        return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def offers(endpoints: Sequence[ua.EndpointDescription]) -> Table:
    """Policies, modes and how a user may be named."""
    lines = sorted({(*offer_of(one), _users(one), one.EndpointUrl or "") for one in endpoints})
    columns = ("security_policy", "security_mode", "users", "address")
    return Table(title="What the server offers", columns=columns, rows=tuple(lines))


def _users(endpoint: ua.EndpointDescription) -> str:
    names = {_TOKENS.get(token.TokenType.name, token.TokenType.name) for token in endpoint.UserIdentityTokens or ()}
    return ", ".join(sorted(names))


def certificates(judged: Iterable[tuple[bytes, str]]) -> Table:
    """Each certificate (DER) with what is held of it."""
    lines = tuple((*_certificate(content), opinion) for content, opinion in judged)
    columns = ("fingerprint (SHA-256)", "subject", "until", "")
    return Table(title="The server's certificate", columns=columns, rows=lines)


def _certificate(content: bytes) -> tuple[str, str, str]:
    try:
        one = parse_certificate(content)
    except ValueError:
        return content[:16].hex(), "cannot be read", ""
    return fingerprint(one), one.subject.rfc4514_string(), f"{one.not_valid_after_utc:%Y-%m-%d}"


def variables(found: Sequence[Seen]) -> Table:
    """Each variable with what it says now."""
    lines = tuple(("/".join(one.path), one.value, one.type, one.unit, one.status, one.at) for one in found)
    return Table(title="Variables", columns=("path", "value", "type", "unit", "status", "at"), rows=lines)


def toml_of(source: Source, found: Sequence[Seen]) -> str:
    """Every variable that can be read, to be renamed; "" where there is none."""
    tags = list(_tags(one for one in found if one.status not in _NEVER))
    if not tags:
        return ""
    return f"{_source(source)}\n\n[[devices]]\n{pair('asset_id', 'device_1')}\n{rows('tags', tags)}\n"


def _source(source: Source) -> str:
    lines = ['protocol = "opcua"', "", "[source]", pair("endpoint", source.endpoint)]
    lines += [pair("security_policy", source.security_policy.value), pair("security_mode", source.security_mode.value)]
    if source.username:
        lines += [pair("username", source.username), 'password = "${secret:opcua-password}"']
    if source.user_certificate:
        lines += ['user_certificate = "${secret:user-certificate}"', 'user_key = "${secret:user-key}"']
    if source.security_mode is Mode.NONE:
        lines.insert(3, "# nothing protects this connection: whoever is on the network reads it and may change it")
    return "\n".join(lines)


def _tags(found: Iterable[Seen]) -> Iterable[str]:
    """A row each; a parameter's name that is taken gets a number."""
    taken: set[str] = set()
    for one in found:
        name, count = one.item.parameter, 1
        while name in taken:
            count += 1
            name = f"{one.item.parameter}_{count}"
        taken.add(name)
        yield row(param=name, at=one.at, unit=one.unit)
