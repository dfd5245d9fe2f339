"""`streamforge sample [KIND]`: the commented configuration that stands beside a kind's module."""

import argparse
import sys

from streamforge.cli.find import kinds, sample
from streamforge.config import kind_of
from streamforge.config.build import nearest
from streamforge.gateway.instances import Role


def run(arguments: list[str]) -> int:
    """Print the sample, or the list of kinds; 2 = there is no such kind."""
    parser = argparse.ArgumentParser(prog="streamforge sample")
    parser.add_argument("kind", nargs="?", help="without it: the list of kinds")
    given = parser.parse_args(arguments)
    if given.kind is None:
        for role in Role:
            print(f"{role.folder:<11} {' '.join(kinds(role))}")
        return 0
    kind = kind_of(given.kind)
    for role in Role:
        if kind in kinds(role):
            print(sample(role, kind).read_text(), end="")
            return 0
    hint = nearest(kind, [name for role in Role for name in kinds(role)])
    print(f'streamforge sample: there is no kind "{given.kind}" ({hint})', file=sys.stderr)
    return 2
