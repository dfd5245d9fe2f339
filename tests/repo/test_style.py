"""Small files, small functions, nothing swallowed, nothing left to do, nothing of the machine it was built on."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, files, parsed, python_files

FILE_LINES, FUNCTION_LINES = 400, 40
UNIT_FILES = {".service", ".socket", ".target", ".slice", ".conf"}
TEXTS = UNIT_FILES | {".py", ".sh", ".md", ".toml", ".avsc", ".html", ".css", ".js"}
# Data of cases and vendored text have their own shape.
NOT_OURS = ("tests/cases/",)
every_python_file = pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))


def texts() -> Iterator[Path]:
    for path in files():
        if (path.suffix in TEXTS or path.suffix == "") and not str(path.relative_to(ROOT)).startswith(NOT_OURS):
            yield path


@every_python_file
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES


@every_python_file
def test_functions_are_short(path: Path) -> None:
    long = [
        f"{node.name}: {length}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not long


@every_python_file
def test_nothing_is_caught_that_cannot_be_named(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None or "Exception" in {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
        )
    ]
    assert not broad or path == ROOT / "streamforge" / "service.py"


def found(pattern: str) -> list[str]:
    """Where the pattern stands, in any text but this one."""
    expression = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if expression.search(line)
    ]


def test_nothing_is_left_to_do() -> None:
    assert not found(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def test_no_path_of_the_machine_it_was_built_on() -> None:
    assert not found(r"(?<![\w.$}])/(home|Users)/\w|/\.pyenv/|file:///(home|root|tmp)")


def test_ruff_finds_nothing() -> None:
    done = _tool("ruff", "check", "--no-cache", "--output-format=concise", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(600)
def test_mypy_finds_nothing() -> None:
    done = _tool("mypy")
    assert done.returncode == 0, done.stdout


def test_shell_scripts_are_clean() -> None:
    scripts = [str(path) for path in files() if path.suffix == ".sh"]
    if not scripts or shutil.which("shellcheck") is None:
        pytest.skip("no shell script, or no shellcheck on this machine")
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def _tool(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
