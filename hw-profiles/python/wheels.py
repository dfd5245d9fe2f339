"""Put the locked packages of the appliance, unpacked for one architecture, into a folder.

    python wheels.py ARCHITECTURE DESTINATION        (amd64 or arm64)

Run by an interpreter that has pip; the packages are for CPython 3.13 whatever runs this. Every file is checked
against the hashes of requirements.lock. A package without a wheel is built here from its hashed source.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
SOURCE_ONLY = ("digi-xbee", "sdnotify")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


def _split_lock(folder: Path) -> tuple[Path, Path]:
    """The lock file in two: packages with wheels, packages that are source only."""
    entries = re.split(r"^(?=[a-z0-9])", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wheels, sources = folder / "wheels.txt", folder / "sources.txt"
    wheels.write_text("".join(e for e in entries if not e.startswith(SOURCE_ONLY)), encoding="utf-8")
    sources.write_text("".join(e for e in entries if e.startswith(SOURCE_ONLY)), encoding="utf-8")
    return wheels, sources


def _unpack(architecture: str, destination: Path, scratch: Path) -> None:
    machine = MACHINES[architecture]
    platforms = [
        word
        for tag in ("manylinux2014", "manylinux_2_28", "manylinux_2_34")
        for word in ("--platform", f"{tag}_{machine}")
    ]
    target = [
        "install",
        "--no-deps",
        "--no-compile",
        "--only-binary=:all:",
        "--implementation=cp",
        "--python-version=3.13",
        "--abi=cp313",
        "--abi=abi3",
        "--abi=none",
        *platforms,
        "--target",
        str(destination),
    ]
    wheels, sources = _split_lock(scratch)
    _pip(*target, "--require-hashes", "--requirement", str(wheels))
    _pip(
        "wheel",
        "--no-deps",
        "--require-hashes",
        "--no-binary=:all:",
        "--requirement",
        str(sources),
        "--wheel-dir",
        str(scratch / "built"),
        *_build_tools(),
    )
    _pip(*target, "--no-index", *map(str, sorted((scratch / "built").glob("*.whl"))))
    shutil.rmtree(destination / "bin", ignore_errors=True)


def _build_tools() -> list[str]:
    """Both sources are plain setuptools packages: build them with the setuptools that stands here, fetch no other."""
    return ["--no-build-isolation"]


def fetch(architecture: str, destination: Path) -> None:
    """Fill `destination` unless it already holds this lock file's packages; all or nothing.

    Raises subprocess.CalledProcessError where pip fails or a hash differs.
    """
    digest = hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    stamp = destination / ".lock.sha256"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        unpacked = Path(scratch, "unpacked")
        _unpack(architecture, unpacked, Path(scratch))
        (unpacked / stamp.name).write_text(digest, encoding="utf-8")
        shutil.rmtree(destination, ignore_errors=True)
        unpacked.replace(destination)


if __name__ == "__main__":
    target_folder = Path(sys.argv[2]).resolve()
    target_folder.parent.mkdir(parents=True, exist_ok=True)
    fetch(sys.argv[1], target_folder)
