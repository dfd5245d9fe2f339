"""`streamforge transform NAME`: one transform as a unit."""

import argparse

from streamforge.cli.find import component_class, configuration
from streamforge.config import secrets_of
from streamforge.gateway import places
from streamforge.gateway.instances import Role
from streamforge.service import Component
from streamforge.service import run as live


def run(arguments: list[str]) -> int:
    """Run the transform until it is stopped; the exit code for systemd."""
    parser = argparse.ArgumentParser(prog="streamforge transform")
    parser.add_argument("name", help="for example validator")
    given = parser.parse_args(arguments)
    return live(lambda: make(given.name), f"streamforge-transform-{given.name}")


def make(name: str) -> Component:
    """The unit's work, from the configuration in force; defaults where it has no file. Raises ConfigError."""
    from streamforge.transforms.runner import component

    cls = component_class(Role.TRANSFORM, name)
    path = places.configuration() / "transforms" / f"{name}.toml"
    config = configuration(Role.TRANSFORM, name, path, secrets_of(f"streamforge-transform-{name}"))
    return component(lambda: cls.stages(config), name)
