"""Certificates for the tests: self-signed ones, an authority, what it issues and what it revokes."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

DER = serialization.Encoding.DER
Pair = tuple[x509.Certificate, rsa.RSAPrivateKey]
NOW = datetime.now(UTC)


def pair(
    uri: str,
    *,
    host: str = "127.0.0.1",
    issuer: Pair | None = None,
    days: tuple[int, int] = (-1, 365),
    is_authority: bool = False,
    key: rsa.RSAPrivateKey | None = None,
) -> Pair:
    """A certificate and its key; valid between these days from now, issued by itself unless `issuer` does."""
    key = key or rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri)])
    is_address = host[0].isdigit()
    at = x509.IPAddress(ipaddress.ip_address(host)) if is_address else x509.DNSName(host)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), at]), critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def revoked(authority: Pair, certificate: x509.Certificate) -> bytes:
    """The authority's list of revoked certificates with this one on it, in DER."""
    one = (
        x509.RevokedCertificateBuilder()
        .serial_number(certificate.serial_number)
        .revocation_date(NOW - timedelta(hours=1))
        .build()
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority[0].subject)
        .last_update(NOW - timedelta(hours=1))
        .next_update(NOW + timedelta(days=30))
        .add_revoked_certificate(one)
    )
    return builder.sign(authority[1], hashes.SHA256()).public_bytes(DER)


def pem(one: Pair) -> tuple[str, str]:
    """Certificate and key as PEM text."""
    kept = one[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return one[0].public_bytes(serialization.Encoding.PEM).decode(), kept.decode()


def keep(directory: Path, one: Pair) -> Path:
    """certificate.der and key.pem in a directory, as a server wants them."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "certificate.der").write_bytes(one[0].public_bytes(DER))
    (directory / "key.pem").write_text(pem(one)[1])
    return directory
