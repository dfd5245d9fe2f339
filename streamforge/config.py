"""TOML to frozen dataclasses, strictly."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What systemd grants this instance, within the template's ceiling; empty = the template's own."""

    memory: str = ""
    cpu: str = ""
