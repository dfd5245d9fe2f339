"""`streamforge secret set NAME`, `list`, `remove NAME`: what the configuration names as `${secret:NAME}`."""

import argparse
import getpass
import sys
from collections.abc import Sequence

from streamforge.config.build import nearest
from streamforge.config.secrets import is_name
from streamforge.errors import Fatal
from streamforge.gateway import places
from streamforge.gateway.secret_store import Secret, SecretStore, encrypt

PEM = "-----BEGIN"


def run(arguments: list[str]) -> int:
    """Do it; 0 done, 1 not possible, 2 nobody asks for it."""
    parser = argparse.ArgumentParser(
        prog="streamforge secret", description="Passwords and keys that the configuration names ${secret:NAME}."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, words in (("set", "ask for the value and keep it encrypted"), ("remove", "forget it")):
        one = actions.add_parser(action, help=words, description=words)
        one.add_argument("name")
        one.add_argument("--unit", help="for this unit alone, also before its configuration asks for it")
    actions.add_parser("list", help="what the configuration asks for, and whether it is there; never a value")
    given = parser.parse_args(arguments)
    store = SecretStore()
    wanted = store.wanted(places.configuration())
    try:
        return _list(wanted) if given.action == "list" else _change(given, store, wanted)
    except OSError as error:
        raise Fatal(f"{error.filename}: {error.strerror}") from error


def _list(wanted: Sequence[Secret]) -> int:
    if not wanted:
        print("the configuration names no secret")
    for one in wanted:
        print(f"{one.unit}  {one.name}  {'there' if one.is_there else 'MISSING'}")
    return 0


def _change(given: argparse.Namespace, store: SecretStore, wanted: Sequence[Secret]) -> int:
    if not is_name(given.name):
        print(f'streamforge secret: "{given.name}" is no name: letters, digits, . _ -, at most 64', file=sys.stderr)
        return 2
    units = [given.unit] if given.unit else [one.unit for one in wanted if one.name == given.name]
    if not units:
        hint = nearest(given.name, {one.name for one in wanted})
        print(f"streamforge secret: no unit asks for ${{secret:{given.name}}}; {hint}", file=sys.stderr)
        return 2
    if given.action == "remove":
        removed = [unit for unit in units if store.remove(unit, given.name)]
        print("\n".join(f"removed: {unit}" for unit in removed) or "it was not there")
        return 0
    value = _ask(given.name)
    for unit in units:
        store.put(unit, given.name, value, encrypt)
        print(f"kept for {unit}; systemctl restart '{unit}' makes it read it")
    return 0


def _ask(name: str) -> str:
    """From the person, twice and unseen; from a pipe its first line, or all of a PEM text. Raises Fatal without one."""
    if sys.stdin.isatty():
        value = getpass.getpass(f"value of {name}: ")
        if value != getpass.getpass("once more: "):
            raise Fatal("the two are not the same; nothing was changed")
    else:
        text = sys.stdin.read()
        value = text.rstrip("\n") if PEM in text else text.partition("\n")[0]
    if not value:
        raise Fatal("an empty value is none; nothing was changed")
    return value
