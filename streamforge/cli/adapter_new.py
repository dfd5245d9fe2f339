"""`streamforge adapter new NAME`: the six files of a new adapter, in a checkout of this repository.

They pass the contract suite as they are: what is left is the protocol itself.
"""

import argparse
import re
import sys
from pathlib import Path

from streamforge import adapters
from streamforge.cli.find import kinds
from streamforge.gateway.instances import Role

TEMPLATE = Path(adapters.__path__[0]) / "template"
KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# Template -> where it goes.
FILES = {
    "module.py.txt": "streamforge/adapters/{module}.py",
    "sample.toml.txt": "streamforge/adapters/{module}.toml",
    "unit.service.txt": "units/streamforge-adapter-{kind}@.service",
    "page.md.txt": "docs/adapters/{kind}.md",
    "test.py.txt": "tests/adapters/test_{module}.py",
    "case.toml.txt": "tests/cases/{kind}/first_reading/config.toml",
    "case.json.txt": "tests/cases/{kind}/first_reading/expected.json",
}
# The two units that make Kafka users; each gets the new one's password.
MAKERS = ("units/kafka.service", "units/streamforge-topics.service")
CREDENTIAL = "LoadCredential=kafka-adapter-{kind}:/var/lib/streamforge/credentials/kafka-adapter-{kind}\n"


def run(arguments: list[str]) -> int:
    """Write them below the current directory; 0 done, 2 not understood, and then nothing is written."""
    parser = argparse.ArgumentParser(prog="streamforge adapter new", description="The six files of a new adapter.")
    parser.add_argument("name", help="small letters, digits and dashes, for example s7 or bacnet-ip")
    parser.add_argument("--in", dest="root", type=Path, default=Path(), help="the checkout (default: here)")
    given = parser.parse_args(arguments)
    why = _refusal(given.name, given.root)
    if why:
        print(f"streamforge adapter new: {why}", file=sys.stderr)
        return 2
    for template, place in FILES.items():
        path = given.root / place.format(kind=given.name, module=given.name.replace("-", "_"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled((TEMPLATE / template).read_text(), given.name))
        print(path)
    for place in MAKERS:
        _add_credential(given.root / place, given.name)
        print(f"{given.root / place}: one line more")
    return 0


def _refusal(name: str, root: Path) -> str:
    """Why not; "" = it can be done."""
    if not KIND.fullmatch(name) or len(name) > 40:
        return f'"{name}" cannot name an adapter: small letters, digits and single dashes, at most 40, a letter first'
    if name in kinds(Role.ADAPTER):
        return f'there is an adapter "{name}"'
    if not all((root / place).exists() for place in MAKERS):
        return f"{root.resolve()} is no checkout of this repository"
    return ""


def _filled(text: str, kind: str) -> str:
    words = kind.split("-")
    for mark, value in (
        ("@KIND@", kind),
        ("@MODULE@", "_".join(words)),
        ("@CLASS@", "".join(word.capitalize() for word in words)),
        ("@TITLE@", " ".join(word.capitalize() for word in words)),
    ):
        text = text.replace(mark, value)
    return text


def _add_credential(path: Path, kind: str) -> None:
    """After those of the other adapters."""
    lines = path.read_text().splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if line.startswith("LoadCredential=kafka-adapter-"))
    lines.insert(last + 1, CREDENTIAL.format(kind=kind))
    path.write_text("".join(lines))
