"""Certificates for a test: an authority, and what it signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@dataclass
class Authority:
    """Signs certificates; its own stands in `directory`."""

    directory: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self._key, is_authority=True, days=365, address=None)

    def issue(self, name: str, *, days: int = 365, address: str | None = LOOPBACK) -> tuple[Path, Path]:
        """Certificate and key of a new pair; negative days = expired since."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, key, is_authority=False, days=days, address=address), self._save_key(name, key)

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool, days: int, address: str | None
    ) -> Path:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        end = datetime.now(UTC) + timedelta(days=days)
        alternative = x509.DNSName("elsewhere") if address is None else x509.IPAddress(ip_address(address))
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=400))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.directory / f"{name}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path

    def _save_key(self, name: str, key: ec.EllipticCurvePrivateKey) -> Path:
        path = self.directory / f"{name}.key"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path
