"""The few words that we say to systemd."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamforge.errors import Fatal

DROP_INS = Path("/run/systemd/system")
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemctl:
    """`systemctl`, with where its runtime drop-ins go."""

    drop_ins: Path = DROP_INS

    def run(self, *words: str) -> str:
        """What `systemctl WORDS` answers. Raises Fatal with its own words where it refuses."""
        command = ["systemctl", *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except FileNotFoundError as error:
            msg = "there is no systemctl here: units cannot be started"
            raise Fatal(msg) from error
        except subprocess.TimeoutExpired as error:
            msg = f"systemctl {' '.join(words)} did not end within {_TIMEOUT_SECONDS:.0f} s"
            raise Fatal(msg) from error
        if done.returncode:
            msg = f"systemctl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
            raise Fatal(msg)
        return done.stdout

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        """Unit, without ".service" -> property -> value, of every one of these (patterns allowed) that is loaded."""
        wanted = ",".join(("Id", *properties))
        text = self.run("show", "--no-pager", f"--property={wanted}", "--", *(f"{unit}.service" for unit in units))
        blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n"))
        return {block["Id"].removesuffix(".service"): block for block in blocks if block.get("Id")}
