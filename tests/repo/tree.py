"""The repository as the tests of its rules see it."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "streamforge"


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository, also those not yet added, without what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\0") if done.returncode == 0 else _walk()
    return tuple(sorted(path for name in names if name and (path := ROOT / name).is_file()))


def _walk() -> Iterator[str]:
    """An unpacked archive has no git."""
    for top in ("streamforge", "tests", "units", "rootfs", "docs", "hw-profiles"):
        yield from (str(path.relative_to(ROOT)) for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts)


def python_files() -> tuple[Path, ...]:
    """Every Python file of ours."""
    return tuple(path for path in files() if path.suffix == ".py")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(), str(path))


def module_name(path: Path) -> str:
    """`streamforge/bus/reader.py` -> streamforge.bus.reader."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Module -> file, of the whole package."""
    return {module_name(path): path for path in python_files() if path.is_relative_to(PACKAGE)}


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports, also inside functions; of our own, the very module where a name is one."""
    found: set[str] = set()
    for node in ast.walk(parsed(modules()[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules() else node.module for name in names}
    return frozenset(found)
