"""The appliance's own files, put together inside the image that is being built (by its own Python and JRE).

mkosi runs this as its build script: the checkout is $SRCDIR, the result goes to $DESTDIR, and $BUILDDIR keeps what
costs time (byte code of the packages, the archive of the broker's classes) between two builds.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import py_compile
import shutil
import socket
import struct
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ["SRCDIR"])
RESULT = Path(os.environ["DESTDIR"])
KEPT = Path(os.environ["BUILDDIR"])
MACHINE = {"x86-64": "amd64", "arm64": "arm64"}[os.environ["ARCHITECTURE"]]
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])

SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h

HOME = Path("usr/lib/streamforge")
VENV = HOME / "venv"
SITE = VENV / "lib/python3.13/site-packages"
LIBRARIES = HOME / "kafka/libs"
LAUNCHER = f"""#!/{VENV}/bin/python3
import sys

from streamforge.__main__ import main

sys.exit(main())
"""


def _compile(folder: Path, inside: Path) -> None:
    """Byte code that never asks for the time of its source; `inside` is the folder's place on the appliance."""
    compiled = compileall.compile_dir(
        folder,
        quiet=1,
        stripdir=str(folder),
        prependdir=f"/{inside}",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        sys.exit(f"{folder}: not everything compiles")


def _packages() -> Path:
    """The locked packages with byte code, made once for each lock file."""
    fetched = SOURCE / ".cache/wheels" / MACHINE
    kept = KEPT / f"packages-{MACHINE}-{(fetched / '.lock.sha256').read_text(encoding='utf-8')}"
    if not kept.is_dir():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(fetched, part)
        _compile(part, SITE)
        part.rename(kept)
    return kept


def _virtual_environment() -> None:
    site = RESULT / SITE
    shutil.copytree(_packages(), site)
    package = site / "streamforge"
    shutil.copytree(SOURCE / "streamforge", package, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(package, SITE / "streamforge")
    programs = RESULT / VENV / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to("/usr/bin/python3")
    (programs / "streamforge").write_text(LAUNCHER, encoding="utf-8")
    (programs / "streamforge").chmod(0o755)
    (RESULT / VENV / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n", encoding="utf-8"
    )
    (RESULT / "usr/bin").mkdir(parents=True)
    (RESULT / "usr/bin/streamforge").symlink_to(f"/{VENV}/bin/streamforge")


def _jars() -> None:
    """The broker's jars, at their final place and time both in the result and in the running build root."""
    fetched = sorted((SOURCE / f".cache/kafka/libs-{MACHINE}").glob("*.jar"))
    for root in (RESULT, Path("/")):
        folder = root / LIBRARIES
        folder.mkdir(parents=True, exist_ok=True)
        for jar in fetched:
            os.utime(shutil.copy(jar, folder), (EPOCH, EPOCH))


def _loopback_up() -> None:
    """The build has a network of its own in which nothing is up; the broker needs 127.0.0.1."""
    request = struct.pack("16sh", b"lo", IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, request)


def _class_archive() -> None:
    """The archive of the broker's classes, made by one short life of the broker; kept for these jars, JDK and code."""
    sys.path[:0] = [str(RESULT / SITE)]
    os.environ["STREAMFORGE_KAFKA_LIBS"] = f"/{LIBRARIES}"
    from streamforge.gateway.broker import Broker
    from streamforge.gateway.throwaway import archive_key, make_archive

    nowhere = Path("/")
    line = Broker(data=nowhere, credentials=nowhere, work=nowhere).command(write_archive=True)
    kept = KEPT / f"kafka-{archive_key()}-{hashlib.sha256(' '.join(line).encode()).hexdigest()[:16]}.jsa"
    if not kept.is_file():
        _loopback_up()
        with tempfile.TemporaryDirectory() as folder:
            make_archive(kept, Path(folder, "broker"))
    shutil.copy(kept, RESULT / LIBRARIES.parent / "kafka.jsa")


if __name__ == "__main__":
    _virtual_environment()
    _jars()
    _class_archive()
