"""What the documents name as proof exists: every test by its name, and in the README a case for each promise."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, files

FOLDER = re.compile(r"`(tests/cases/[\w-]+/\w+)`")
CASE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = [(path, *found) for path in files() if path.suffix == ".md" for found in CASE.findall(path.read_text())]
PROMISES = re.compile(r"^## What is promised.*?\n(.*?)^## ", re.DOTALL | re.MULTILINE)
DEFINED = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)
MOST_PROMISES = 5
COLUMNS = 120


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file; empty where there is no such file."""
    if not path.exists():
        return frozenset()
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))


def promises() -> list[str]:
    """The lines of the README's list of promises."""
    found = PROMISES.search((ROOT / "README.md").read_text())
    assert found is not None
    return [line for line in found[1].splitlines() if line.startswith("- ")]


def targets(line: str) -> list[str]:
    """Where the links of a line lead, those by reference too."""
    defined = dict(DEFINED.findall((ROOT / "README.md").read_text()))
    direct = re.findall(r"\]\(([^)#\s]+)", line)
    return [*direct, *(defined[name] for name in re.findall(r"\[([^\]]+)\](?![(:])", line))]


@pytest.mark.parametrize("document", sorted({path for path, _, _ in NAMED}), ids=lambda path: path.name)
def test_every_case_that_a_document_names_exists(document: Path) -> None:
    gone = [f"{file}::{name}" for path, file, name in NAMED if path == document and name not in names_in(ROOT / file)]
    assert gone == []


def test_every_case_folder_that_a_document_names_exists() -> None:
    named = {folder for path in files() if path.suffix == ".md" for folder in FOLDER.findall(path.read_text())}
    assert named
    assert [folder for folder in sorted(named) if not (ROOT / folder).is_dir()] == []


def test_the_page_of_proofs_names_some() -> None:
    assert sum(path.name.startswith("0006") for path, _, _ in NAMED) > 100


def test_the_promise_is_five_lines() -> None:
    lines = promises()
    assert len(lines) == MOST_PROMISES
    assert max(map(len, lines)) <= COLUMNS


def test_every_promise_leads_to_a_case_that_exists() -> None:
    for line in promises():
        cases = [target for target in targets(line) if target.startswith("tests/")]
        assert cases, line
        assert all(names_in(ROOT / case) for case in cases), line
