"""Who may do what at the broker: one principal a unit template, and the topics each may read and write.

A SCRAM user, the ACL principal and the credential `kafka-<name>` have one name: the template's unit name without
`streamforge-` and the suffix. Instances of a template share it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

CREDENTIAL_PREFIX = "kafka-"

_AGGREGATES = ("telemetry.1s", "telemetry.10s", "telemetry.1min", "telemetry.1hour")
_DELIVERED = ("telemetry.raw", "telemetry.clean", *_AGGREGATES, "events.clean", "alarms.clean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One SCRAM user. Who writes a topic may read it too: a writer finds its place again in the tail of its output."""

    name: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    # Whoever may grant rights has every right; the broker says so for these, instead of ACLs that only look narrower.
    is_super: bool = False

    @property
    def readable(self) -> tuple[str, ...]:
        """Every topic it may read, sorted."""
        return tuple(sorted({*self.reads, *self.writes}))


def _sink(name: str) -> Principal:
    return Principal(name=name, reads=_DELIVERED, writes=("dlq.telemetry", "dlq.events", "events.raw"))


PRINCIPALS = (
    Principal(name="kafka", is_super=True),
    Principal(name="admin", is_super=True),
    Principal(name="topics", is_super=True),
    Principal(name="adapter-modbus-tcp", writes=("telemetry.raw", "events.raw", "alarms.raw")),
    Principal(
        name="transform-validator",
        reads=("telemetry.raw", "events.raw"),
        writes=("telemetry.clean", "events.raw", "events.clean", "dlq.telemetry", "dlq.events"),
    ),
    Principal(
        name="transform-aggregator",
        reads=("telemetry.clean",),
        writes=(*_AGGREGATES, "events.raw", "dlq.telemetry"),
    ),
    _sink("sink-file"),
    _sink("sink-timescaledb"),
    _sink("sink-postgres"),
    Principal(
        name="web",
        reads=(*_DELIVERED, "events.raw", "alarms.raw", "dlq.telemetry", "dlq.events"),
        writes=("audit_trail",),
    ),
)
SUPER_USERS = tuple(principal.name for principal in PRINCIPALS if principal.is_super)


def passwords(directory: Path) -> dict[str, str]:
    """Principal -> password, of every principal whose credential `kafka-<name>` stands in the directory."""
    found = {}
    for principal in PRINCIPALS:
        path = directory / f"{CREDENTIAL_PREFIX}{principal.name}"
        if os.access(path, os.R_OK):
            found[principal.name] = path.read_text()
    return found
