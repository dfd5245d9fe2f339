"""`streamforge adapter KIND INSTANCE`: one configured adapter as a unit; `adapter new NAME` begins another kind."""

import argparse

from streamforge.cli.find import component_class, configuration
from streamforge.config import secrets_of
from streamforge.gateway import places
from streamforge.gateway.instances import Role
from streamforge.service import Component
from streamforge.service import run as live


def run(arguments: list[str]) -> int:
    """Run the adapter until it is stopped, or begin a new one; the exit code."""
    if arguments[:1] == ["new"]:
        from streamforge.cli.adapter_new import run as new

        return new(arguments[1:])
    parser = argparse.ArgumentParser(prog="streamforge adapter")
    parser.add_argument("kind", help="for example modbus-tcp")
    parser.add_argument("instance", help="the name of its file, adapters/<kind>/<instance>.toml")
    given = parser.parse_args(arguments)
    return live(lambda: make(given.kind, given.instance), f"streamforge-adapter-{given.kind}@{given.instance}")


def make(kind: str, instance: str) -> Component:
    """The unit's work, from the configuration in force. Raises ConfigError."""
    from streamforge.adapters.runner import component

    cls = component_class(Role.ADAPTER, kind)
    path = places.configuration() / "adapters" / kind / f"{instance}.toml"
    config = configuration(Role.ADAPTER, kind, path, secrets_of(f"streamforge-adapter-{kind}@{instance}"))
    return component(cls(config), kind, instance)
