"""Programs of Debian trixie for tests, unpacked once into .cache; they run after chroot."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def unpacked(name: str, root: Path) -> None:
    """The packages of hw-profiles/peers/NAME.lst in that directory, unless they are there (10 s)."""
    subprocess.run([sys.executable, REPOSITORY / "hw-profiles" / "peers" / "unpack.py", name, root], check=True)
