"""The real broker for tests: jars by the lock, class archive cached, one JVM a session."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.gateway.throwaway import ThrowAwayBroker, archive_key, make_archive

REPOSITORY = Path(__file__).parent.parent
CACHE = REPOSITORY / ".cache" / "kafka"
FETCH = REPOSITORY / "hw-profiles" / "kafka" / "fetch.py"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def provide_jars() -> None:
    """Have the locked jars in the cache, unless STREAMFORGE_KAFKA_LIBS names others."""
    if "STREAMFORGE_KAFKA_LIBS" not in os.environ:
        jars = CACHE / f"libs-{MACHINE}"
        subprocess.run([sys.executable, FETCH, jars, "--machine", MACHINE], check=True)
        os.environ["STREAMFORGE_KAFKA_LIBS"] = str(jars)


def provide_archive() -> Path:
    """The class archive for these jars and this JDK, made once (10 s)."""
    archive = CACHE / f"{archive_key()}.jsa"
    if not archive.exists():
        with TemporaryDirectory(prefix="streamforge-archive-") as directory:
            make_archive(archive, Path(directory))
    return archive


def new_broker(directory: Path, *, set_up_topics: bool = True) -> ThrowAwayBroker:
    """A broker in `directory`, not started."""
    provide_jars()
    return ThrowAwayBroker(directory, archive=provide_archive(), set_up_topics=set_up_topics)


__all__ = ["FETCH", "MACHINE", "ThrowAwayBroker", "new_broker", "provide_archive", "provide_jars"]
