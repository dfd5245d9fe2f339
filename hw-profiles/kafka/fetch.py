#!/usr/bin/env python3
"""Fetch the broker's jars that jars.lock names, through Maven, each checked against its SHA-512.

usage: fetch.py DEST [--machine amd64|arm64] [--lock FILE]

DEST then holds exactly the locked jars of that machine. Jars that are there and right are kept, so a
second run needs neither Maven nor a network. Exit 1 with one line says what is missing or wrong.
"""

import argparse
import hashlib
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
CLASSIFIERS = {"amd64": "linux_amd64", "arm64": "linux_aarch64"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class FetchError(Exception):
    """What a person has to read: which jar, what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha512: str

    @property
    def file_name(self) -> str:
        """As Maven's copy-dependencies names it."""
        return "-".join(part for part in (self.artifact, self.version, self.classifier) if part) + ".jar"

    def dependency(self) -> str:
        """A pom's <dependency>; its own dependencies stay out, because the lock is the whole list."""
        classifier = f"<classifier>{escape(self.classifier)}</classifier>" if self.classifier else ""
        return (
            f"<dependency><groupId>{escape(self.group)}</groupId><artifactId>{escape(self.artifact)}</artifactId>"
            f"<version>{escape(self.version)}</version>{classifier}<exclusions><exclusion>"
            "<groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
        )


def read_lock(lock: Path, machine: str) -> list[Jar]:
    """The jars of that machine (amd64, arm64), in the order of the file."""
    jars = []
    for number, line in enumerate(lock.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        try:
            coordinates, sha512 = line.split()
            group, artifact, version, *classifier = coordinates.split(":")
        except ValueError:
            raise FetchError(f"{lock}:{number}: not 'group:artifact:version[:classifier] sha512'") from None
        jar = Jar(group=group, artifact=artifact, version=version, classifier="".join(classifier), sha512=sha512)
        if jar.classifier in ("", CLASSIFIERS[machine]):
            jars.append(jar)
    return jars


def wrong(directory: Path, jars: list[Jar]) -> list[str]:
    """One line a jar that is missing or is not what the lock says."""
    lines = []
    for jar in jars:
        path = directory / jar.file_name
        if not path.is_file():
            lines.append(f"{jar.file_name}: missing")
        elif (found := hashlib.sha512(path.read_bytes()).hexdigest()) != jar.sha512:
            lines.append(f"{jar.file_name}: wrong checksum: SHA-512 is {found}, jars.lock says {jar.sha512}")
    return lines


def maven(directory: Path, jars: list[Jar]) -> None:
    """Let Maven copy the jars into the directory."""
    pom = directory / "pom.xml"
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>streamforge</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{''.join(jar.dependency() for jar in jars)}</dependencies></project>"
    )
    command = ["mvn", "-B", "-q", "-f", str(pom), f"{DEPENDENCY_PLUGIN}:copy-dependencies"]
    try:
        subprocess.run([*command, f"-DoutputDirectory={directory}"], check=True, stdout=sys.stderr)
    except FileNotFoundError:
        raise FetchError("mvn is not installed (Debian: apt-get install maven)") from None
    except subprocess.CalledProcessError as error:
        raise FetchError(f"Maven ended with {error.returncode}; its lines above say why") from None


def fetch(destination: Path, jars: list[Jar]) -> None:
    """Bring the directory to exactly these jars; nothing of it changes unless all of them are right."""
    destination.mkdir(parents=True, exist_ok=True)
    if wrong(destination, jars):
        with tempfile.TemporaryDirectory(dir=destination, prefix=".fetch-") as name:
            directory = Path(name).resolve()  # Maven would read a relative path as one beside the pom
            maven(directory, jars)
            if problems := wrong(directory, jars):
                raise FetchError("\n".join(problems))
            for jar in jars:
                (directory / jar.file_name).replace(destination / jar.file_name)
    names = {jar.file_name for jar in jars}
    for path in destination.glob("*.jar"):
        if path.name not in names:
            path.unlink()


def main() -> int:
    """Exit 0 when DEST is right, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description="Fetch the broker's jars, checked against jars.lock.")
    parser.add_argument("destination", type=Path, metavar="DEST")
    parser.add_argument("--machine", choices=sorted(CLASSIFIERS), default=MACHINES.get(platform.machine(), "amd64"))
    parser.add_argument("--lock", type=Path, default=Path(__file__).with_name("jars.lock"))
    arguments = parser.parse_args()
    try:
        fetch(arguments.destination, read_lock(arguments.lock, arguments.machine))
    except FetchError as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
