"""`streamforge firstboot`: makes what every gateway has of its own, once; root's oneshot before all other units.

Each thing is made where it is missing and left alone where it is there, so that a boot cut short is simply continued,
and a principal that an update brings gets its password at the next boot.
"""

import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import psutil

from streamforge import logs
from streamforge.durable import PUBLIC_MODE, write_durably
from streamforge.gateway.certificate import Address, fingerprint, self_signed
from streamforge.gateway.passwords import make_hash
from streamforge.gateway.principals import CREDENTIAL_PREFIX, PRINCIPALS
from streamforge.logs import Log
from streamforge.notify import Notifier

# Crockford's base 32: nothing that a person could take for something else. 16 characters are 80 bits.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PASSWORD_GROUPS, GROUP_CHARACTERS = 4, 4
DEFAULT_HOSTNAMES = frozenset({"", "(none)", "localhost", "localhost.localdomain", "debian", "streamforge"})
NOT_ON_THE_NETWORK = ("lo", "docker", "veth")
# A hash that no password has: the page starts, nobody gets in, and the next boot shows a password.
NOT_SHOWN_YET = b"!"
# How long the first boot waits for an address to show; a gateway without a cable boots all the same.
ADDRESS_SECONDS, LOOK_SECONDS = 10.0, 0.1
ADDRESS_LINE, PASSWORD_LINE, FINGERPRINT_LINE = "Page:", "First password (user admin):", "Certificate SHA-256:"

_log = Log("firstboot")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """Where it works: the state directory, the console that a person sees, the file of the host's name."""

    root: Path
    console: Path = Path("/dev/console")
    hostname_file: Path = Path("/etc/hostname")

    @property
    def credentials(self) -> Path:
        """Readable by root alone; units get theirs by LoadCredential=."""
        return self.root / "credentials"

    def run(self) -> None:
        """Make what is missing. OSError where the state directory cannot be written."""
        self.credentials.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.credentials.chmod(0o700)
        hostname = self._name_host(self._gateway_id())
        for principal in PRINCIPALS:
            self._secret(f"{CREDENTIAL_PREFIX}{principal.name}", secrets.token_hex(18))
        self._secret("metrics-token", secrets.token_urlsafe(32))
        addresses = () if self._is_complete() else await_address()
        self._certificate(hostname, addresses)
        self._first_password(hostname, addresses)

    def status(self) -> str:
        """One line for `systemctl status`."""
        shown = "was shown" if self._is_shown() else "could not be shown, the next boot tries again"
        return f"identity, passwords and certificate are there; the first password {shown} on {self.console}"

    def _is_complete(self) -> bool:
        """Whether nothing is left to make or show that names an address."""
        return self._is_shown() and (self.credentials / "page-certificate.pem").exists()

    def _is_shown(self) -> bool:
        path = self.credentials / "admin-password-hash"
        return path.exists() and path.read_bytes() != NOT_SHOWN_YET

    def _secret(self, name: str, value: str) -> None:
        path = self.credentials / name
        if not path.exists():
            write_durably(path, value.encode())

    def _gateway_id(self) -> str:
        path = self.root / "gateway-id"
        if not path.exists():
            write_durably(path, secrets.token_hex(16).encode(), mode=PUBLIC_MODE)
        return path.read_text()

    def _name_host(self, gateway_id: str) -> str:
        """The host's name; one of ours where nobody gave it another. On a read-only /etc it is set at each boot."""
        held = socket.gethostname()
        if held not in DEFAULT_HOSTNAMES:
            return held
        name = f"streamforge-{gateway_id[:6]}"
        for keep in (lambda: self.hostname_file.write_text(f"{name}\n"), lambda: socket.sethostname(name)):
            try:
                keep()
            except OSError as error:
                _log.info("hostname_not_kept", name=name, reason=error.strerror)
        return name

    def _certificate(self, hostname: str, addresses: tuple[Address, ...]) -> None:
        """Key first: a certificate that stands there has its key."""
        path = self.credentials / "page-certificate.pem"
        if not path.exists():
            made = self_signed(hostname, addresses, datetime.now(UTC))
            write_durably(self.credentials / "page-key.pem", made.key_pem)
            write_durably(path, made.certificate_pem)

    def _first_password(self, hostname: str, addresses: tuple[Address, ...]) -> None:
        """Show it, then keep its hash: a cut between the two makes and shows another one at the next boot."""
        path = self.credentials / "admin-password-hash"
        if self._is_shown():
            return
        password = new_password()
        shown = fingerprint((self.credentials / "page-certificate.pem").read_bytes())
        try:
            self._show(welcome(hostname, addresses, password, shown))
        except OSError as error:
            _log.warning("first_password_not_shown", console=str(self.console), reason=error.strerror)
            write_durably(path, NOT_SHOWN_YET)
            return
        write_durably(path, make_hash(password).encode())

    def _show(self, text: str) -> None:
        """To the console, never to the journal; O_NOCTTY, or it would become our controlling terminal."""
        handle = os.open(self.console, os.O_WRONLY | os.O_NOCTTY)
        with os.fdopen(handle, "wb") as console:
            console.write(text.replace("\n", "\r\n").encode())


def new_password() -> str:
    """80 random bits that a person can read from a screen and type: four groups of four."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(PASSWORD_GROUPS))
    return "-".join(groups)


def welcome(hostname: str, addresses: tuple[Address, ...], password: str, shown_fingerprint: str) -> str:
    """What the console shows once: how to reach the page, how to enter it, how to know that it is the right one."""
    urls = [f"https://{address}/" for address in addresses if address.version == 4 and not address.is_loopback]
    lines = [f"{ADDRESS_LINE} {url}" for url in [*urls, f"https://{hostname}.local/"]]
    lines += [] if urls else ["There is no network address yet; the name is found once there is one."]
    lines += [f"{PASSWORD_LINE} {password}", f"{FINGERPRINT_LINE} {shown_fingerprint}"]
    return "\n".join(["", "StreamForge is set up. The password is shown this once.", *lines, "", ""])


def await_address() -> tuple[Address, ...]:
    """This host's addresses once one of the network is among them; after ADDRESS_SECONDS, or where there is no
    network interface, those that are there."""
    deadline = time.monotonic() + ADDRESS_SECONDS
    while True:
        found = network_addresses()
        is_reachable = any(not address.is_loopback for address in found)
        if is_reachable or not has_network() or time.monotonic() >= deadline:
            return found
        time.sleep(LOOK_SECONDS)


def has_network() -> bool:
    """Whether there is an interface that a network could be behind."""
    return any(not name.startswith(NOT_ON_THE_NETWORK) for _, name in socket.if_nameindex())


def network_addresses() -> tuple[Address, ...]:
    """This host's addresses, those of the network first, without link-local ones (they need a zone)."""
    found: list[Address] = []
    for interface, held in psutil.net_if_addrs().items():
        if not interface.startswith(NOT_ON_THE_NETWORK):
            families = (socket.AF_INET, socket.AF_INET6)
            found += [ip_address(one.address.partition("%")[0]) for one in held if one.family in families]
    ours = sorted((one for one in found if not one.is_link_local), key=lambda one: (one.version, int(one)))
    return (*ours, ip_address("127.0.0.1"), ip_address("::1"))


def main() -> int:
    """Run at each boot; the exit code for systemd."""
    logs.set_up()
    root = Path(os.environ.get("STREAMFORGE_ROOT", "/var/lib/streamforge"))
    console = Path(os.environ.get("STREAMFORGE_CONSOLE", "/dev/console"))
    try:
        boot = FirstBoot(root=root, console=console)
        boot.run()
    except OSError as error:
        _log.error("firstboot_failed", reason=str(error))
        return 1
    Notifier().status(boot.status())
    return 0
