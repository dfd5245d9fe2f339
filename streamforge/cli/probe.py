"""`streamforge probe PROTOCOL ...`: look at a machine before it is configured; `--toml` writes what to start from."""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path

from streamforge import adapters
from streamforge.errors import StreamForgeError

SUFFIX = "_probe"


def protocols() -> list[str]:
    """Every protocol that can be probed: there is a module for it."""
    return sorted(path.stem.removesuffix(SUFFIX) for path in Path(adapters.__path__[0]).glob(f"*{SUFFIX}.py"))


def run(arguments: list[str]) -> int:
    """Look, and print what was found; 1 = nothing is there, 2 = not understood."""
    parser = argparse.ArgumentParser(prog="streamforge probe", description="Look at a machine before it is configured.")
    actions = parser.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    named = [name for name in protocols() if name in arguments[:1]]  # each carries its own library
    modules = {name: importlib.import_module(f"streamforge.adapters.{name}{SUFFIX}") for name in named or protocols()}
    for name, module in modules.items():
        words = (module.__doc__ or "").splitlines()[0].partition(": ")[2]
        one = actions.add_parser(name, help=words, description=words)
        module.add_arguments(one)
        one.add_argument("--toml", action="store_true", help="print a configuration of what was found, nothing else")
    given = parser.parse_args(arguments)
    try:
        found = asyncio.run(modules[given.protocol].probe(given))
    except ValueError as error:
        print(f"streamforge probe: {error}", file=sys.stderr)
        return 2
    except (StreamForgeError, OSError) as error:
        print(f"streamforge probe: {error}", file=sys.stderr)
        return 1
    print(found.toml if given.toml else found.text(), end="" if given.toml else "\n")
    return 0 if found.toml else 1
