"""`streamforge check DIR`: every fault of a configuration, before anything is changed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from streamforge.cli.find import loader
from streamforge.errors import Fault
from streamforge.gateway.instances import check, instances
from streamforge.service import EXIT_CONFIG, EXIT_STOPPED


def run(arguments: list[str]) -> int:
    """Print every fault, sorted by file and line; 0 = the services will take it, 78 = they would not."""
    parser = argparse.ArgumentParser(prog="streamforge check")
    parser.add_argument("directory", type=Path, help="a configuration: gateway.toml, adapters/, transforms/, sinks/")
    directory: Path = parser.parse_args(arguments).directory
    faults = check(directory, loader)
    if faults:
        return say(faults)
    files = [one for one in instances(directory) if one.file.exists()]
    print(f"{directory}: good, {len(files)} instance{'' if len(files) == 1 else 's'}")
    return EXIT_STOPPED


def say(faults: Sequence[Fault]) -> int:
    """Print the faults for people; the exit code 78."""
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} fault{'' if len(faults) == 1 else 's'}", file=sys.stderr)
    return EXIT_CONFIG
