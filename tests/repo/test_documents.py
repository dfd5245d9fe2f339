"""What the documents tell people to type exists."""

import re
from pathlib import Path

import pytest

from streamforge.__main__ import PEOPLE, SERVICES
from tests.repo.tree import ROOT, files

DOCUMENTS = [path for path in files() if path.suffix == ".md"]
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
COMMAND = re.compile(r"(?:^|[`\s/])streamforge ([a-z]+)\b")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
PART = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@every_document
def test_commands_exist(path: Path) -> None:
    code = "\n".join(CODE.findall(path.read_text()))
    assert set(COMMAND.findall(code)) <= PEOPLE.keys() | SERVICES.keys()


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    gone = [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert not gone


@every_document
def test_links_to_a_part_lead_to_a_heading(path: Path) -> None:
    found = [(path.parent / file if file else path, name) for file, name in PART.findall(path.read_text())]
    assert not [f"{file}#{name}" for file, name in found if file.suffix == ".md" and name not in names_of(file)]


def names_of(document: Path) -> set[str]:
    """What a link to a part of it may be: its headings, in small letters, with dashes."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def test_a_command_is_a_module_of_its_name() -> None:
    for name in PEOPLE | SERVICES:
        assert (ROOT / "streamforge" / "cli" / f"{name}.py").exists(), name


def test_every_command_is_described() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert not [name for name in PEOPLE | SERVICES if f"`streamforge {name}" not in text]
