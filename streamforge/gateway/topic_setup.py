"""`streamforge topics`: the oneshot that brings the broker's topics, rights and users to the tables."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from streamforge import logs
from streamforge.bus.admin import Admin, Grant, TopicSpec
from streamforge.bus.connection import Connection
from streamforge.errors import ConfigError, StreamForgeError
from streamforge.gateway import places
from streamforge.gateway.disk_budget import disk_budget_bytes, require_enough
from streamforge.gateway.overflow.plan import PRIORITIES
from streamforge.gateway.overflow.retention import KEY, with_loans
from streamforge.gateway.principals import PRINCIPALS, passwords
from streamforge.gateway.settings import load_settings
from streamforge.gateway.topics import TOPICS, Priority
from streamforge.logs import Log
from streamforge.notify import Notifier
from streamforge.service import EXIT_FATAL, EXIT_STOPPED, refuse

_log = Log("topics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one run changed; all empty on a second run."""

    users: tuple[str, ...]
    topics: tuple[str, ...]
    rights_added: int
    rights_removed: int

    def __str__(self) -> str:
        if self == Changes(users=(), topics=(), rights_added=0, rights_removed=0):
            return "nothing to change"
        rights = f"rights +{self.rights_added} -{self.rights_removed}"
        return f"users: {', '.join(self.users) or '-'}; topics: {', '.join(self.topics) or '-'}; {rights}"


def specs(budget_bytes: int, partitions: int) -> list[TopicSpec]:
    """The table as what Kafka is asked for."""
    return [
        TopicSpec(name=topic.name, partitions=partitions, config=topic.config(budget_bytes, partitions))
        for topic in TOPICS
    ]


def grants() -> list[Grant]:
    """The rights of all principals but the super users, who need none."""
    return [
        Grant(
            principal=principal.name,
            topic=topic,
            read=True,
            write=topic in principal.writes,
            delete=topic in principal.deletes,
            alter=topic in principal.alters,
        )
        for principal in PRINCIPALS
        if not principal.is_super
        for topic in principal.readable
    ]


def set_up(admin: Admin, *, credentials: dict[str, str], budget_bytes: int, partitions: int = 1) -> Changes:
    """Bring users, topics and rights to the tables; `credentials`: principal -> password."""
    unknown = set(credentials) - admin.users()
    admin.set_passwords({name: credentials[name] for name in sorted(unknown)})
    changed = admin.ensure_topics(_with_loans(admin, specs(budget_bytes, partitions)))
    added, removed = admin.ensure_grants(grants())
    return Changes(users=tuple(sorted(unknown)), topics=tuple(changed), rights_added=added, rights_removed=removed)


def _with_loans(admin: Admin, table: list[TopicSpec]) -> list[TopicSpec]:
    """What `streamforge-overflow` has lent from topic to topic stays lent: a reader still lacks what it holds."""
    present = admin.topics()
    may_lend = [spec for spec in table if PRIORITIES[spec.name] is not Priority.CRITICAL]
    if any(spec.name not in present for spec in may_lend):
        return table
    held = {topic: int(size) for topic, size in admin.settings([spec.name for spec in may_lend], KEY).items()}
    stays = with_loans({spec.name: int(spec.config[KEY]) for spec in may_lend}, held)
    return [replace(spec, config={**spec.config, KEY: str(stays.get(spec.name, spec.config[KEY]))}) for spec in table]


def set_up_gateway(connection: Connection, credentials: Path) -> Changes:
    """The same for this gateway, by the generation in force. Raises StreamForgeError."""
    settings = load_settings(places.configuration()).kafka
    budget_bytes = disk_budget_bytes(places.root(), settings.disk_limit_bytes)
    require_enough(places.root(), budget_bytes, settings.partitions)
    with Admin(connection) as admin:
        return set_up(
            admin,
            credentials=passwords(credentials),
            budget_bytes=budget_bytes,
            partitions=settings.partitions,
        )


def main() -> int:
    """Run once after the broker; the exit code for systemd."""
    logs.set_up()
    try:
        changes = set_up_gateway(Connection.from_environment("topics"), Path(os.environ["CREDENTIALS_DIRECTORY"]))
    except ConfigError as error:
        return refuse("streamforge-topics", error)
    except StreamForgeError as error:
        _log.error("topics_not_set_up", reason=str(error))
        return EXIT_FATAL
    _log.info("topics_set_up", changes=str(changes))
    Notifier().status(f"{len(TOPICS)} topics and the rights of {len(PRINCIPALS)} users are in place")
    return EXIT_STOPPED
