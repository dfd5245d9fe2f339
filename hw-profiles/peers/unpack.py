#!/usr/bin/env python3
"""Unpack programs of Debian trixie into a directory, for tests against real servers.

usage: unpack.py NAME DEST, for packages of NAME.lst beside this file

Nothing is installed on this machine: apt works in a state folder of its own and reads the archive that the
host itself uses (or DEBIAN_MIRROR=URL); the packages are only unpacked, not configured. A DEST that is there is kept.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NOT_NEEDED = ("libllvm", "libz3", "perl", "libperl", "gcc-", "adduser", "debconf", "ucf", "locales", "libc-l10n")
USERS = "root:x:0:0::/:/bin/sh\npostgres:x:65534:65534::/srv:/bin/sh\n"


class BuildError(Exception):
    """What a person has to read."""


def mirror() -> str:
    """The Debian archive of this host's apt, without its trailing slash."""
    if named := os.environ.get("DEBIAN_MIRROR"):
        return named.rstrip("/")
    for attempt in ("as it is", "after an update"):
        if attempt != "as it is":
            subprocess.run(["apt-get", "-qq", "update"], check=False)
        targets = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        for line in targets.stdout.splitlines():
            label, _, uri = line.partition(" ")
            if label == "Debian":
                return uri.rstrip("/")
    msg = "this host's apt knows no Debian archive: say DEBIAN_MIRROR=URL"
    raise BuildError(msg)


def apt_options(state: Path) -> list[str]:
    """An apt that sees trixie alone and believes that nothing is installed."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    sources = state / "trixie.sources"
    sources.write_text(f"Types: deb\nURIs: {mirror()}\nSuites: trixie\nComponents: main\nSigned-By: {KEYRING}\n")
    settings = {
        "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::lists": state / "lists", "Dir::State::status": state / "status", "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }  # fmt: skip
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def download(packages: Path, state: Path) -> list[Path]:
    """The packages and all they depend on, as .deb files."""
    wanted = [line for line in packages.read_text().splitlines() if line and not line.startswith("#")]
    apt = ["apt-get", "-qq", *apt_options(state)]
    subprocess.run([*apt, "update"], check=True)
    install = ["install", "-y", "--no-install-recommends", "--download-only"]
    subprocess.run([*apt, *install, *wanted], check=True, stdout=subprocess.DEVNULL)
    return sorted((state / "cache" / "archives").glob("*.deb"))


def unpack(packages: list[Path], root: Path) -> None:
    """A directory in which the server runs after chroot: an unpacked system with one user."""
    root.mkdir()
    for link in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / link).mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(f"usr/{link}")
    for package in packages:
        if not package.name.startswith(NOT_NEEDED):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    for folder in ("dev", "srv", "tmp", "run"):
        (root / folder).mkdir(exist_ok=True)
    (root / "etc" / "passwd").write_text(USERS)
    (root / "etc" / "group").write_text("postgres:x:65534:\n")
    shutil.rmtree(root / "usr" / "share" / "doc", ignore_errors=True)


def build(packages: Path, destination: Path) -> None:
    """Build beside the destination and rename: a broken build leaves nothing that looks whole."""
    if destination.exists():
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="part-", dir=destination.parent) as name:
        part = Path(name)
        unpack(download(packages, part / "apt"), part / "root")
        try:
            (part / "root").rename(destination)
        except OSError:  # another run of the tests was quicker
            if not destination.exists():
                raise


def main() -> int:
    """Build what the command line names."""
    lists = {path.stem: path for path in Path(__file__).parent.glob("*.lst")}
    if len(sys.argv) != 3 or sys.argv[1] not in lists:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        build(lists[sys.argv[1]], Path(sys.argv[2]).resolve())
    except (BuildError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"unpack.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
