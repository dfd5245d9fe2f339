"""`streamforge opcua trust`: which OPC UA servers are trusted, and which were refused and wait for a person."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from streamforge.gateway import places
from streamforge.gateway.instances import Role, instances

NOTHING = "no certificate yet: an adapter that meets a server keeps its certificate here"


def run(arguments: list[str]) -> int:
    """List certificates, or trust one; 0 = done, 1 = there is no such one."""
    parser = argparse.ArgumentParser(prog="streamforge opcua", description="OPC UA servers and their certificates")
    words = parser.add_subparsers(dest="word", required=True)
    trust = words.add_parser(
        "trust", help="list certificates, the gateway's own too; with a fingerprint, trust that one"
    )
    trust.add_argument("fingerprint", nargs="?", help="its first 16 digits or more, compared with the server's own")
    trust.add_argument("--file", type=Path, metavar="CERTIFICATE", help="trust this one beforehand")
    trust.add_argument("--instance", help="of this adapter alone: the name of its file in adapters/opcua/")
    given = parser.parse_args(arguments)
    if given.file:
        return _bring(given.file, given.instance)
    found = dict(_directories(given.instance or "*"))
    return _trust(found, given.fingerprint) if given.fingerprint else _list(found)


def _directories(instance: str) -> Iterator[tuple[str, Path]]:
    """Instance and directory of every OPC UA adapter that has run."""
    for path in sorted((places.root() / "state").glob(f"*adapter-opcua@{instance}/pki")):
        yield path.parent.name.partition("@")[2], path


def _list(found: dict[str, Path]) -> int:
    from streamforge.adapters.opcua_trust import OWN, REJECTED, TRUSTED, TrustList, fingerprint

    lines = [
        f"{instance:<20} {name:<9} {fingerprint(one)}  until {one.not_valid_after_utc:%Y-%m-%d}"
        f"  {one.subject.rfc4514_string()}"
        for instance, directory in found.items()
        for name in (REJECTED, TRUSTED, OWN)
        for _, one in TrustList(directory).certificates(name)
    ]
    print("\n".join(lines) or NOTHING)
    return 0


def _bring(file: Path, instance: str | None) -> int:
    """To one adapter, or to all that the configuration has."""
    from streamforge.adapters.opcua_trust import DIRECTORY, TrustList, parse_certificate

    configured = [one for one in instances(places.configuration()) if (one.role, one.kind) == (Role.ADAPTER, "opcua")]
    units = [one.unit for one in configured if instance in {None, one.name}]
    if not units:
        print(f"no adapter opcua {instance or 'at all'} is configured", file=sys.stderr)
        return 1
    try:
        certificate = parse_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        print(f"{file}: no certificate, neither DER nor PEM: {error}", file=sys.stderr)
        return 1
    for unit in units:
        print(f"{unit}: {TrustList(places.root() / 'state' / unit / DIRECTORY).bring(certificate)} is trusted")
    return 0


def _trust(found: dict[str, Path], wanted: str) -> int:
    """With every adapter that has refused it."""
    from streamforge.adapters.opcua_trust import TrustList

    reasons, trusted = [], 0
    for instance, directory in found.items():
        try:
            print(f"{instance}: {TrustList(directory).trust(wanted)} is trusted from its next attempt on")
            trusted += 1
        except LookupError as error:
            reasons.append(f"{instance}: {error}")
    if not trusted:
        print("\n".join(reasons) or NOTHING, file=sys.stderr)
    return 0 if trusted else 1
