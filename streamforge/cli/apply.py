"""`streamforge apply DIR`: make a configuration the one in force; `--boot` starts what is in force."""

import argparse
import sys
from functools import partial
from pathlib import Path

from streamforge.cli.check import say
from streamforge.cli.find import loader
from streamforge.errors import ConfigError
from streamforge.gateway import places
from streamforge.gateway.apply import Applied, apply, boot, laggards
from streamforge.gateway.generations import Store
from streamforge.gateway.instances import check
from streamforge.gateway.systemctl import Systemctl
from streamforge.notify import Notifier
from streamforge.service import EXIT_FATAL, EXIT_STOPPED


def run(arguments: list[str]) -> int:
    """0 = in force, 78 = refused with every fault and nothing changed, 1 = not written, or a unit does not come up."""
    parser = argparse.ArgumentParser(prog="streamforge apply")
    parser.add_argument("directory", type=Path, nargs="?", help="the configuration; with --boot, the first one")
    parser.add_argument("--boot", action="store_true", help="start the units of the configuration in force")
    given = parser.parse_args(arguments)
    if given.directory is None and not given.boot:
        parser.error("which directory?")
    store = Store(places.root() / "config")
    act = boot if given.boot else apply
    try:
        done = act(given.directory or places.FACTORY, store, partial(check, loaders=loader), Systemctl())
    except ConfigError as error:
        return say(error.faults)
    except OSError as error:
        print(f"streamforge apply: {error}", file=sys.stderr)
        return EXIT_FATAL
    print(text(done))
    if given.boot:
        Notifier().status(f"generation {done.number} is in force")
    late = () if given.boot else laggards((*done.plan.restart, *done.plan.start), Systemctl())
    for one in late:
        print(f"streamforge apply: {one}", file=sys.stderr)
    return EXIT_FATAL if late else EXIT_STOPPED


def text(done: Applied) -> str:
    """What was done, for people."""
    lines = [f"generation {done.number} is in force"]
    for word, units in (
        ("stopped", done.plan.stop),
        ("restarted", done.plan.restart),
        ("started", done.plan.start),
        ("left alone", done.plan.keep),
    ):
        lines += [f"  {word:<10} {unit}" for unit in units]
    return "\n".join([*lines, *(f"  note: {note}" for note in done.notes)])
