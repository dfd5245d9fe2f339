"""`streamforge sink KIND INSTANCE`: one configured sink as a unit."""

import argparse

from streamforge.cli.find import component_class, configuration
from streamforge.config import secrets_of
from streamforge.gateway import places
from streamforge.gateway.instances import Role
from streamforge.service import Component
from streamforge.service import run as live


def run(arguments: list[str]) -> int:
    """Run the sink until it is stopped; the exit code for systemd."""
    parser = argparse.ArgumentParser(prog="streamforge sink")
    parser.add_argument("kind", help="for example file")
    parser.add_argument("instance", help="the name of its file, sinks/<kind>/<instance>.toml")
    given = parser.parse_args(arguments)
    return live(lambda: make(given.kind, given.instance), f"streamforge-sink-{given.kind}@{given.instance}")


def make(kind: str, instance: str) -> Component:
    """The unit's work, from the configuration in force. Raises ConfigError."""
    from streamforge.sinks.runner import component

    cls = component_class(Role.SINK, kind)
    path = places.configuration() / "sinks" / kind / f"{instance}.toml"
    config = configuration(Role.SINK, kind, path, secrets_of(f"streamforge-sink-{kind}@{instance}"))
    return component(cls(config, instance), kind)
