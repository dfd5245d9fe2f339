"""The secrets of the units: encrypted for this machine in /etc/credstore.encrypted, each named by its unit.

systemd hands a unit what carries its name and nothing else; the value is never in a TOML file, on a command line, in a
log or on the page.
"""

import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamforge.config.secrets import names_in
from streamforge.durable import write_durably
from streamforge.errors import Fatal
from streamforge.gateway.instances import Role, instances

ENCRYPTED, PLAIN = Path("/etc/credstore.encrypted"), Path("/etc/credstore")
_MODE, _DIRECTORY_MODE = 0o600, 0o700

Encrypt = Callable[[str, bytes], bytes]
"""name, value -> what `systemd-creds` makes of it; raises Fatal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret of one unit that the configuration asks for, and whether it is there."""

    unit: str
    name: str
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStore:
    """Where secrets stand."""

    encrypted: Path = ENCRYPTED
    plain: Path = PLAIN

    def path(self, unit: str, name: str) -> Path:
        """Where a secret of that unit stands, encrypted."""
        return self.encrypted / f"{unit}.{name}"

    def is_there(self, unit: str, name: str) -> bool:
        """Whether the unit has it, encrypted or plain."""
        return self.path(unit, name).exists() or (self.plain / f"{unit}.{name}").exists()

    def put(self, unit: str, name: str, value: str, encrypt: Encrypt) -> None:
        """Keep the value for that unit, in place of what it had. Raises OSError, and what `encrypt` raises."""
        path = self.path(unit, name)
        content = encrypt(path.name, value.encode())
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        write_durably(path, content, mode=_MODE)
        with suppress(FileNotFoundError):  # an unencrypted one would be taken as well
            (self.plain / path.name).unlink()

    def remove(self, unit: str, name: str) -> bool:
        """Forget it; whether it was there. Raises OSError."""
        found = [path for path in (self.path(unit, name), self.plain / f"{unit}.{name}") if path.exists()]
        for path in found:
            path.unlink()
        return bool(found)

    def wanted(self, configuration: Path) -> list[Secret]:
        """Every secret that the configuration asks for, by unit and name."""
        return [
            Secret(unit=unit, name=name, is_there=self.is_there(unit, name))
            for unit, name in sorted(set(_asked_for(configuration)))
        ]


def _asked_for(configuration: Path) -> Iterator[tuple[str, str]]:
    for one in instances(configuration):
        if one.role is Role.TRANSFORM or not one.file.exists():
            continue
        with suppress(tomllib.TOMLDecodeError, OSError, UnicodeDecodeError):  # what is wrong there, `check` says
            yield from ((one.unit, name) for name in names_in(tomllib.loads(one.file.read_text())))


def encrypt(name: str, value: bytes) -> bytes:
    """By the key of this machine, its TPM where it has one. Raises Fatal with what systemd says."""
    words = ["systemd-creds", "encrypt", f"--name={name}", "-", "-"]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin"), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(words, input=value, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise Fatal(f"systemd-creds cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Fatal(f"systemd-creds: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
