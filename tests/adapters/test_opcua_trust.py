"""Which certificates are believed: pinned ones and an authority's; none that is expired, revoked or another's."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from streamforge.adapters import opcua_trust
from streamforge.adapters.opcua_config import Source
from streamforge.adapters.opcua_link import Link
from streamforge.adapters.opcua_trust import Claim, TrustList, Untrusted, fingerprint, parse_certificate
from streamforge.errors import NotConnected
from tests.adapters.opcua_certificates import DER, NOW, Pair, pair, revoked
from tests.adapters.opcua_peer import free_port

URI = "urn:plant:server"


@pytest.fixture
def trust(tmp_path: Path) -> TrustList:
    trust = TrustList(tmp_path)
    trust.make()
    return trust


def judge(trust: TrustList, one: Pair, host: str = "127.0.0.1", uri: str = URI) -> str:
    """Why it is not believed; "" = it is."""
    try:
        trust.judge(Claim(certificate=one[0].public_bytes(DER), application_uri=uri, host=host), NOW)
    except Untrusted as error:
        return str(error)
    return ""


def put(trust: TrustList, one: Pair) -> None:
    (trust.directory / "trusted" / "one.der").write_bytes(one[0].public_bytes(DER))


def test_nobody_is_trusted_at_first_and_who_came_is_kept_for_a_person_to_see(trust: TrustList) -> None:
    server = pair(URI)
    assert "is not trusted" in judge(trust, server)
    assert [path.name for path, _ in trust.certificates("rejected")] == [f"{fingerprint(server[0])}.der"]


def test_of_those_refused_the_last_are_kept(trust: TrustList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua_trust, "_MOST_REJECTED", 2)
    servers = [pair(URI) for _ in range(3)]
    for number, server in enumerate(servers):
        judge(trust, server)
        os.utime(trust.directory / "rejected" / f"{fingerprint(server[0])}.der", (number, number))
    kept = {fingerprint(one) for _, one in trust.certificates("rejected")}
    assert kept == {fingerprint(server[0]) for server in servers[1:]}


def test_a_person_trusts_by_the_beginning_of_the_fingerprint(trust: TrustList) -> None:
    server, other = pair(URI), pair(URI)
    judge(trust, server)
    judge(trust, other)
    with pytest.raises(LookupError, match="at least 16"):
        trust.trust(fingerprint(server[0])[:12])
    assert trust.trust(fingerprint(server[0])[:16].upper()) == fingerprint(server[0])
    assert judge(trust, server) == ""
    assert "is not trusted" in judge(trust, other)


def test_what_an_authority_issues_is_trusted_for_its_host_alone(trust: TrustList) -> None:
    authority = pair("urn:authority", is_authority=True)
    server = pair(URI, issuer=authority, host="plc.local")
    put(trust, authority)
    assert judge(trust, server, host="plc.local") == ""
    assert "is not for the host other.local" in judge(trust, server, host="other.local")


def test_a_pinned_certificate_is_trusted_under_any_host_name(trust: TrustList) -> None:
    server = pair(URI, host="plc.local")
    put(trust, server)
    assert judge(trust, server, host="10.0.0.7") == ""


def test_a_certificate_that_no_authority_is_issues_nothing(trust: TrustList) -> None:
    server = pair(URI)
    put(trust, server)
    assert "is not trusted" in judge(trust, pair("urn:thief", issuer=server))


def test_the_right_name_of_an_authority_over_another_key_is_not_enough(trust: TrustList) -> None:
    put(trust, pair("urn:authority", is_authority=True))
    assert "is not trusted" in judge(trust, pair(URI, issuer=pair("urn:authority", is_authority=True)))


@pytest.mark.parametrize(("days", "words"), [((-10, -1), "has expired on "), ((1, 10), "is not valid before ")])
def test_a_certificate_out_of_its_time_is_refused(trust: TrustList, days: tuple[int, int], words: str) -> None:
    server = pair(URI, days=days)
    put(trust, server)
    assert words in judge(trust, server)
    assert judge(trust, server).endswith(f"and it is {NOW:%Y-%m-%d} here"), "for the clock may be what is wrong"


def test_an_authority_out_of_its_time_vouches_for_nobody(trust: TrustList) -> None:
    authority = pair("urn:authority", is_authority=True, days=(-10, -1))
    put(trust, authority)
    assert "is issued by an authority whose certificate has expired" in judge(trust, pair(URI, issuer=authority))


def test_an_authority_may_renew_its_certificate_over_the_same_key(trust: TrustList) -> None:
    old = pair("urn:authority", is_authority=True, days=(-10, -1))
    new = pair("urn:authority", is_authority=True, key=old[1])
    for name, one in (("1_old", old), ("2_new", new)):
        (trust.directory / "trusted" / f"{name}.der").write_bytes(one[0].public_bytes(DER))
    assert judge(trust, pair(URI, issuer=old)) == ""


def test_a_revoked_certificate_is_refused_but_not_another_authoritys_of_that_number(trust: TrustList) -> None:
    authority, stranger = (pair(f"urn:authority:{n}", is_authority=True) for n in (1, 2))
    server = pair(URI, issuer=authority)
    put(trust, authority)
    (trust.directory / "crl" / "stranger.der").write_bytes(revoked(stranger, server[0]))
    assert judge(trust, server) == ""
    (trust.directory / "crl" / "own.der").write_bytes(revoked(authority, server[0]))
    assert "is revoked" in judge(trust, server)


def test_a_certificate_of_another_application_is_refused(trust: TrustList) -> None:
    server = pair(URI)
    put(trust, server)
    assert "is not for the application urn:other" in judge(trust, server, uri="urn:other")


def test_the_directories_are_the_units_own_before_a_person_brings_a_certificate(tmp_path: Path) -> None:
    link = Link(Source(endpoint=f"opc.tcp://127.0.0.1:{free_port()}"), TrustList(tmp_path / "pki"))
    with pytest.raises(NotConnected):
        asyncio.run(link.open())
    assert {path.name for path in (tmp_path / "pki").iterdir()} == {"trusted", "rejected", "crl", "own"}


def test_a_file_that_is_no_certificate_is_passed_over_and_said(
    trust: TrustList, caplog: pytest.LogCaptureFixture
) -> None:
    (trust.directory / "trusted" / "readme.txt").write_text("hello")
    server = pair(URI)
    put(trust, server)
    assert judge(trust, server) == judge(trust, server) == ""
    assert [record.getMessage() for record in caplog.records] == ["certificate_unreadable"]


def test_the_own_certificate_is_made_once_and_anew_sixty_days_before_its_end(trust: TrustList) -> None:
    file, key = trust.own("urn:gw:streamforge", "gw", NOW)
    first = parse_certificate(file.read_bytes())
    assert key.stat().st_mode & 0o777 == 0o600
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:gw:streamforge"]
    assert trust.own("urn:gw:streamforge", "gw", first.not_valid_after_utc - timedelta(days=61)) == (file, key)
    assert parse_certificate(file.read_bytes()) == first
    trust.own("urn:gw:streamforge", "gw", first.not_valid_after_utc - timedelta(days=59))
    assert parse_certificate(file.read_bytes()) != first
    assert parse_certificate(file.read_bytes()).public_key() == first.public_key()
