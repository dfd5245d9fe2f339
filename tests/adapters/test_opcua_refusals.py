"""Servers whose certificate is expired, revoked or another's: nothing is read, and said is which."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from streamforge.adapters.opcua_trust import CRL, TRUSTED, TrustList
from tests.adapters.opcua_certificates import DER, NOW, Pair, keep, pair, revoked
from tests.adapters.opcua_peer import running, server
from tests.adapters.opcua_server import APPLICATION
from tests.adapters.test_opcua_security import config

AUTHORITY = pair("urn:authority", is_authority=True)
HERE = f"and it is {NOW:%Y-%m-%d} here"


def from_the_authority(**more: str) -> Pair:
    return pair(APPLICATION, issuer=AUTHORITY, **more)  # type: ignore[arg-type] # the host alone


def of_days(first: int, last: int) -> Callable[[], Pair]:
    return lambda: pair(APPLICATION, issuer=AUTHORITY, days=(first, last))


def day(count: int) -> str:
    return f"{NOW + timedelta(days=count):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("made", "is_revoked", "words"),
    [
        (of_days(-10, -1), False, f"has expired on {day(-1)}, {HERE}"),
        (of_days(2, 10), False, f"is not valid before {day(2)}, {HERE}"),
        (from_the_authority, True, "is revoked: a list in crl/ names it"),
        (lambda: pair("urn:somebody", issuer=AUTHORITY), False,
         f"is not for the application {APPLICATION}, but for urn:somebody"),
        (lambda: from_the_authority(host="plc.local"), False, "is not for the host 127.0.0.1, but for plc.local"),
        (lambda: pair(APPLICATION), False, "is not trusted: streamforge opcua trust shows it"),
    ],
    ids=["expired", "not yet valid", "revoked", "another application", "another host", "not trusted"],
)  # fmt: skip
def test_a_server_that_is_not_to_be_believed(
    tmp_path: Path, made: Callable[[], Pair], is_revoked: bool, words: str
) -> None:
    its, trust = made(), TrustList(tmp_path / "state" / "pki")
    trust.make()
    (trust.directory / TRUSTED / "authority.der").write_bytes(AUTHORITY[0].public_bytes(DER))
    if is_revoked:
        (trust.directory / CRL / "authority.crl").write_bytes(revoked(AUTHORITY, its[0]))

    async def main() -> None:
        with server(keep(tmp_path / "server", its)) as plant:
            async with running(config(plant.port), tmp_path / "state") as run:
                await run.until(lambda: bool(run.errors), "its refusal")
                assert run.errors[0].endswith(words)
                assert run.box.batches == []
                assert plant.tell(sessions=True) == 0

    asyncio.run(main())


def test_what_an_authority_issues_is_believed_where_all_is_right(tmp_path: Path) -> None:
    trust = TrustList(tmp_path / "state" / "pki")
    trust.make()
    (trust.directory / TRUSTED / "authority.der").write_bytes(AUTHORITY[0].public_bytes(DER))

    async def main() -> None:
        with server(keep(tmp_path / "server", from_the_authority())) as plant:
            async with running(config(plant.port), tmp_path / "state") as run:
                await run.until(lambda: bool(run.box.values("Counter")), "readings")
                assert run.errors == []

    asyncio.run(main())
