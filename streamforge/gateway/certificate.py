"""The page's own certificate: self-signed, because a cabinet has no name that an authority would vouch for.

Who opens the page compares its fingerprint with the one on the console.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A gateway may boot in 1970: validity begins before any clock of ours and ends ten years after the later of "now"
# and the time when this was written.
BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
VALID = timedelta(days=3652)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Both halves as PEM, and the SHA-256 fingerprint as browsers show it (AA:BB:...)."""

    certificate_pem: bytes
    key_pem: bytes
    fingerprint: str


def self_signed(hostname: str, addresses: tuple[Address, ...], now: datetime) -> Certificate:
    """A new P-256 key and its certificate for the host name, `<name>.local`, localhost and the addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    names = [x509.DNSName(text) for text in (hostname, f"{hostname}.local", "localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(max(now, WRITTEN) + VALID)
        .add_extension(x509.SubjectAlternativeName([*names, *map(x509.IPAddress, addresses)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        fingerprint=_colons(certificate),
    )


def fingerprint(certificate_pem: bytes) -> str:
    """SHA-256 fingerprint of a PEM certificate; ValueError where it is none."""
    return _colons(x509.load_pem_x509_certificate(certificate_pem))


def _colons(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
