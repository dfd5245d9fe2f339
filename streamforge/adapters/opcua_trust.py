"""Which server certificates are believed, and the adapter's own: files under the unit's state directory.

`trusted/` holds certificates of servers, and of authorities that issue them; `crl/` lists of revoked ones; what was
refused lands in `rejected/`, from where a person may move it. Files are DER, or PEM.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from streamforge.durable import PUBLIC_MODE, SECRET_MODE, write_durably
from streamforge.logs import Log

DIRECTORY = "pki"
TRUSTED, REJECTED, CRL, OWN = "trusted", "rejected", "crl", "own"
CERTIFICATE_FILE, KEY_FILE = "certificate.der", "key.pem"
# A new own certificate must be trusted at the server by a person: rarely, and early.
OWN_DAYS, RENEW_DAYS = 1825, 60
_MOST_REJECTED = 100
# As many digits as the status shows: certificates that begin with 8 given ones are made in minutes.
LEAST_PREFIX = 16
_DER = serialization.Encoding.DER
_log = Log("adapter")


class Untrusted(Exception):  # noqa: N818 - a state of the peer, not a failure of ours
    """A certificate that is not believed, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a server says it is: its certificate (DER), its application URI, and the host it was asked for under."""

    certificate: bytes
    application_uri: str
    host: str


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def parse_certificate(content: bytes) -> x509.Certificate:
    """DER or PEM. Raises ValueError."""
    is_pem = content.lstrip().startswith(b"-----")
    return x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)


class TrustList:
    """The directories of one adapter instance; read anew at each judgement, so that a person's act counts at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._unreadable: set[Path] = set()

    def make(self) -> None:
        """Make the directories that are not there."""
        for name in (TRUSTED, REJECTED, CRL, OWN):
            (self.directory / name).mkdir(mode=0o750, parents=True, exist_ok=True)

    def certificates(self, name: str) -> Iterator[tuple[Path, x509.Certificate]]:
        """Every certificate of one directory with its file; what is none is passed over, and said."""
        for path in sorted((self.directory / name).glob("[!.]*")):
            if path.name == KEY_FILE:
                continue
            try:
                yield path, parse_certificate(path.read_bytes())
            except (OSError, ValueError) as error:
                self._say(path, error)

    def _say(self, path: Path, error: Exception) -> None:
        """A file that nobody can use: once, however often it is looked at."""
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.warning("certificate_unreadable", file=path.name, reason=str(error))

    def judge(self, claim: Claim, now: datetime) -> None:
        """Nothing where the server is believed. Raises Untrusted with the reason, having kept the certificate."""
        try:
            certificate = parse_certificate(claim.certificate)
        except ValueError as error:
            msg = f"the server's certificate cannot be read: {error}"
            raise Untrusted(msg) from error
        reason = self._reason(certificate, claim, now)
        if reason:
            self._reject(certificate)
            msg = f"server certificate {fingerprint(certificate)[:LEAST_PREFIX]} {reason}"
            raise Untrusted(msg)

    def _reason(self, certificate: x509.Certificate, claim: Claim, now: datetime) -> str:
        trusted = [one for _, one in self.certificates(TRUSTED)]
        issuers = [one for one in trusted if _is_issued_by(certificate, one)]
        is_pinned = certificate in trusted
        if not is_pinned and not issuers:
            return "is not trusted: streamforge opcua trust shows it"
        if self._is_revoked(certificate, issuers):
            return "is revoked: a list in crl/ names it"
        # Who trusts this very certificate does so whatever name it bears; an authority vouches for the name.
        if not is_pinned and not _is_for(certificate, claim.host):
            hosts = _names(certificate, x509.DNSName) + _names(certificate, x509.IPAddress)
            return f"is not for the host {claim.host}, but for {_listed(hosts)}"
        uris = _names(certificate, x509.UniformResourceIdentifier)
        if claim.application_uri not in uris:
            return f"is not for the application {claim.application_uri}, but for {_listed(uris)}"
        # An authority that renewed its certificate over the same key stands there twice.
        issuer = "" if is_pinned else min((untimely(one, now) for one in issuers), key=bool)
        return untimely(certificate, now) or (issuer and f"is issued by an authority whose certificate {issuer}")

    def _is_revoked(self, certificate: x509.Certificate, issuers: list[x509.Certificate]) -> bool:
        for path in sorted((self.directory / CRL).glob("[!.]*")):
            try:
                content = path.read_bytes()
                is_pem = content.lstrip().startswith(b"-----")
                revoked = x509.load_pem_x509_crl(content) if is_pem else x509.load_der_x509_crl(content)
            except (OSError, ValueError) as error:
                self._say(path, error)
                continue
            is_theirs = any(_is_signed_by(revoked, issuer) for issuer in issuers)
            if is_theirs and revoked.get_revoked_certificate_by_serial_number(certificate.serial_number):
                return True
        return False

    def _reject(self, certificate: x509.Certificate) -> None:
        path = self.directory / REJECTED / f"{fingerprint(certificate)}.der"
        if path.exists():
            return
        kept = sorted(path.parent.glob("*.der"), key=lambda one: one.stat().st_mtime_ns)
        for oldest in kept[: max(0, len(kept) + 1 - _MOST_REJECTED)]:
            oldest.unlink(missing_ok=True)
        write_durably(path, certificate.public_bytes(_DER), mode=PUBLIC_MODE)

    def bring(self, certificate: x509.Certificate) -> str:
        """Trust a certificate that a person has brought, before any server has shown it; its fingerprint."""
        self.make()
        name = fingerprint(certificate)
        write_durably(self.directory / TRUSTED / f"{name}.der", certificate.public_bytes(_DER), mode=PUBLIC_MODE)
        return name

    def trust(self, wanted: str) -> str:
        """Move the rejected certificate whose fingerprint begins so to the trusted ones; its fingerprint.

        Raises LookupError where there is none or more than one.
        """
        wanted = wanted.replace(":", "").lower()
        fitting = {fingerprint(one): path for path, one in self.certificates(REJECTED)}
        fitting = {name: path for name, path in fitting.items() if name.startswith(wanted)}
        if len(wanted) < LEAST_PREFIX or len(fitting) != 1:
            msg = f"{len(fitting)} rejected certificates begin with {wanted!r} (at least {LEAST_PREFIX} digits)"
            raise LookupError(msg)
        name, path = fitting.popitem()
        path.rename(self.directory / TRUSTED / f"{name}.der")
        return name

    def own(self, application_uri: str, host: str, now: datetime) -> tuple[Path, Path]:
        """The adapter's certificate and key, made where there is none, and anew 60 days before the end."""
        certificate_file, key_file = self.directory / OWN / CERTIFICATE_FILE, self.directory / OWN / KEY_FILE
        if not _is_fit(certificate_file, key_file, application_uri, now):
            key = _key(key_file)
            certificate = generate_self_signed_app_certificate(
                key,
                "StreamForge",
                {"organizationName": "StreamForge"},
                [x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)],
                [ExtendedKeyUsageOID.CLIENT_AUTH],
                OWN_DAYS,
            )
            write_durably(key_file, dump_private_key_as_pem(key), mode=SECRET_MODE)
            write_durably(certificate_file, certificate.public_bytes(_DER), mode=PUBLIC_MODE)
            _log.warning("own_certificate_made", fingerprint=fingerprint(certificate), application_uri=application_uri)
        return certificate_file, key_file


def untimely(certificate: x509.Certificate, now: datetime) -> str:
    """Why it is out of its time; "" = it is not. With a clock that is wrong every certificate is."""
    if now > certificate.not_valid_after_utc:
        return f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d}, and it is {now:%Y-%m-%d} here"
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}, and it is {now:%Y-%m-%d} here"
    return ""


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _is_fit(certificate_file: Path, key_file: Path, application_uri: str, now: datetime) -> bool:
    try:
        certificate = parse_certificate(certificate_file.read_bytes())
    except (OSError, ValueError):
        return False
    is_lasting = certificate.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)
    return is_lasting and key_file.exists() and application_uri in _names(certificate, x509.UniformResourceIdentifier)


def _key(path: Path) -> RSAPrivateKey:
    """The key that is there, or a new one."""
    key = None
    with suppress(OSError, ValueError):
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    return key if isinstance(key, RSAPrivateKey) else rsa.generate_private_key(65537, 2048)


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def _is_signed_by(revoked: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    # Whatever else signs certificates of OPC UA servers, it is none of its policies.
    return revoked.issuer == issuer.subject and hasattr(key, "verify") and revoked.is_signature_valid(key)  # type: ignore[arg-type]


def _names(certificate: x509.Certificate, kind: type[Any]) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name) for name in names.get_values_for_type(kind)]


def _is_for(certificate: x509.Certificate, host: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) in _names(certificate, x509.IPAddress)
    except ValueError:
        return host.lower() in [name.lower() for name in _names(certificate, x509.DNSName)]


def now_utc() -> datetime:
    """The time by which certificates are judged."""
    return datetime.now(UTC)
