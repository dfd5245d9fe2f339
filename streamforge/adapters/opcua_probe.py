"""`streamforge probe opcua URL`: what a server offers, who it is, and its variables with values, types, units, states.

It only reads. Without `--security` it takes the strongest protection that the server offers, never none. How things are
shown is in `opcua_sight`.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asyncua import ua
from asyncua.client.ua_session import UaSession

from streamforge.adapters import probe_user
from streamforge.adapters.opcua_address import parse_address
from streamforge.adapters.opcua_browse import RootUnknown, find, item_at
from streamforge.adapters.opcua_config import SCHEME, BrowseRow, Mode, Policy, Source
from streamforge.adapters.opcua_limits import Profile
from streamforge.adapters.opcua_link import Link, failing, first_certificate, offer_of
from streamforge.adapters.opcua_server import Server, look, nodes_of, read, units_of
from streamforge.adapters.opcua_sight import Seen, certificates, offers, toml_of, variables
from streamforge.adapters.opcua_trust import LEAST_PREFIX, Claim, TrustList, Untrusted, fingerprint, now_utc
from streamforge.adapters.opcua_trust import TRUSTED as TRUSTED_DIRECTORY
from streamforge.adapters.probing import Finding, Table
from streamforge.errors import NotConnected

OBJECTS = "i=85"
TRUSTED = "trusted"
# Of the whole, the server's own diagnostics are left out.
_OWN = ("Server/**",)
_ASSET = "device_1"
Protection = tuple[Policy, Mode]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a person says of the server."""
    add = parser.add_argument
    add("url", help="opc.tcp://HOST:PORT, or HOST")
    add("--search", action="append", metavar="GLOB", help="variables of a name ('*Temp*') or path ('Boiler/**/PT*')")
    add("--at", default=OBJECTS, metavar="NODE", help="look below this node (default: all objects)")
    add("--depth", type=int, default=10, help="so many levels (default: 10)")
    add("--most", type=int, default=500, help="so many variables (default: 500)")
    add("--security", metavar="POLICY[/MODE]", help="as in a configuration, or None (default: the strongest offered)")
    probe_user.add_arguments(parser)
    add("--user-certificate", type=Path, metavar="FILE", help="a user's certificate (PEM)")
    add("--user-key", type=Path, metavar="FILE", help="the key of that certificate (PEM)")
    add("--pki", type=Path, default=_own_pki(), metavar="DIR", help="whom to trust, and our own certificate")
    add("--trust", metavar="FINGERPRINT", help="trust the server whose certificate begins so, now and later")
    add("--timeout-ms", type=int, default=5000)


async def probe(given: argparse.Namespace) -> Finding:
    """Look. Raises ValueError for what cannot be meant, NotConnected where nobody is there."""
    wanted, row, source = _protection(given.security), _row(given), _source(given)
    trust = TrustList(given.pki)
    trust.make()
    endpoints = await Link(source, trust).endpoints()
    if given.trust:
        _judge_all(endpoints, source, trust)  # what a person trusts has been seen
        _trust(trust, given.trust)
    judged = _judge_all(endpoints, source, trust)
    tables = [offers(endpoints)] + ([certificates(judged.items())] if judged else [])
    wanted = wanted or _strongest(endpoints)
    if wanted is None:
        return Finding(summary=f"{source.url} protects nothing: --security None looks all the same", tables=tables)
    doubts = [opinion for opinion in judged.values() if opinion != TRUSTED]
    if doubts and wanted[0] is not Policy.NONE:
        return Finding(summary=f"{source.url}: {doubts[0]}", tables=tables)
    try:
        source = _with_user(source, wanted, given)
        found = await _look(Link(source, trust), row)
    except NotConnected as error:
        return Finding(summary=str(error), tables=tables)
    return _finding(source, found, row, tables)


def _finding(source: Source, found: Sequence[Seen], row: BrowseRow, tables: Sequence[Table]) -> Finding:
    shown = found[: row.most]
    more = "" if len(found) == len(shown) else ", and there are more: --most, --search and --at choose"
    summary = f"{source.url}: {len(shown)} variables{more}"
    return Finding(summary=summary, tables=[*tables, variables(shown)], toml=toml_of(source, shown))


def _own_pki() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "streamforge" / "opcua-probe"


def _source(given: argparse.Namespace) -> Source:
    """The server without user and protection, for what it says to anybody."""
    url = given.url if "://" in given.url else f"{SCHEME}://{given.url}"
    return Source(
        endpoint=url, security_policy=Policy.NONE, security_mode=Mode.NONE, timeout_ms=max(100, given.timeout_ms)
    )


def _with_user(source: Source, wanted: Protection, given: argparse.Namespace) -> Source:
    policy, mode = wanted
    return replace(
        source,
        security_policy=policy,
        security_mode=mode,
        username=given.user,
        password=probe_user.password_of(given),
        user_certificate=given.user_certificate.read_text() if given.user_certificate else "",
        user_key=given.user_key.read_text() if given.user_key else "",
    )


def _row(given: argparse.Namespace) -> BrowseRow:
    if given.most < 1 or given.depth < 1:
        msg = f"--most {given.most} and --depth {given.depth} must be 1 or more"
        raise ValueError(msg)
    include = tuple(glob if "/" in glob else f"**/{glob}" for glob in given.search or ("**",))
    exclude = _OWN if given.at == OBJECTS else ()
    return BrowseRow(at=given.at, include=include, exclude=exclude, asset_id=_ASSET, most=given.most, depth=given.depth)


def _protection(text: str | None) -> Protection | None:
    """Policy and mode that a person wants; None = whatever is strongest."""
    if text is None:
        return None
    policy, _, mode = text.partition("/")
    if policy == Policy.NONE.value:
        return Policy.NONE, Mode.NONE
    try:
        return Policy(policy), Mode(mode or Mode.SIGN_AND_ENCRYPT.value)
    except ValueError:
        known = ", ".join(one.value for one in Policy)
        msg = f"--security {text!r} is not understood: {known}; with /Sign or /SignAndEncrypt"
        raise ValueError(msg) from None


def _strongest(endpoints: Sequence[ua.EndpointDescription]) -> Protection | None:
    """The best of what is offered and known; None where that is nothing."""
    offered = {offer_of(one) for one in endpoints}
    for mode in (Mode.SIGN_AND_ENCRYPT, Mode.SIGN):
        for policy in (Policy.AES256_SHA256_RSA_PSS, Policy.BASIC256_SHA256, Policy.AES128_SHA256_RSA_OAEP):
            if (policy.value, mode.value) in offered:
                return policy, mode
    return None


def _judge_all(endpoints: Sequence[ua.EndpointDescription], source: Source, trust: TrustList) -> dict[bytes, str]:
    """Each certificate of the server's, and whether it is believed."""
    found: dict[bytes, str] = {}
    for one in endpoints:
        if one.ServerCertificate:
            content = first_certificate(one.ServerCertificate)
            uri = one.Server.ApplicationUri or "" if one.Server is not None else ""
            found[content] = _opinion(Claim(certificate=content, application_uri=uri, host=source.host), trust)
    return found


def _opinion(claim: Claim, trust: TrustList) -> str:
    try:
        trust.judge(claim, now_utc())
    except Untrusted as error:
        return str(error).replace("streamforge opcua trust shows it", "compare it, then --trust FINGERPRINT")
    return TRUSTED


def _trust(trust: TrustList, wanted: str) -> None:
    """Have the certificate that begins so trusted; one that is already stays so."""
    plain = wanted.replace(":", "").lower()
    if len(plain) >= LEAST_PREFIX and any(
        fingerprint(one).startswith(plain) for _, one in trust.certificates(TRUSTED_DIRECTORY)
    ):
        return
    try:
        trust.trust(wanted)
    except LookupError as error:
        raise ValueError(str(error)) from error


async def _look(link: Link, row: BrowseRow) -> list[Seen]:
    """The variables that `row` wants, at most one more than it says. Raises NotConnected."""
    try:
        await link.open()
        with failing(link.url):
            server = await look(link.session, Profile.AUTO)
            (root,) = await nodes_of(link.session, server, [parse_address(row.at)])
            if isinstance(root, str):
                raise NotConnected(f"{link.url}: {row.at}: {root}")
            return await _seen(link.session, server, row, await find(link.session, server, row, root))
    except RootUnknown as reason:
        raise NotConnected(f"{link.url}: {row.at}: {reason}") from None
    finally:
        await link.close()


async def _seen(
    session: UaSession, server: Server, row: BrowseRow, found: Sequence[tuple[tuple[str, ...], ua.NodeId]]
) -> list[Seen]:
    nodes = [node for _, node in found]
    values = await read(session, nodes, server.limits.reads)
    units = await units_of(session, server, nodes)
    return [
        Seen(path=path, item=item_at(row, _ASSET, path, node, server), unit=unit, data=data)
        for (path, node), unit, data in zip(found, units, values, strict=True)
    ]
