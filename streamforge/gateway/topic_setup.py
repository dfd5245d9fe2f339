"""`streamforge topics`: the oneshot that brings the broker's topics, rights and users to the tables."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from streamforge.bus.admin import Admin, Grant, TopicSpec
from streamforge.gateway.principals import PRINCIPALS
from streamforge.gateway.topics import TOPICS

DISK_SHARE_PERCENT = 85


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


def disk_budget_bytes(data: Path, limit_bytes: int = 0) -> int:
    """What all topics together may take: the limit where there is one, else 85 % of the file system of `data`."""
    whole = shutil.disk_usage(data).total * DISK_SHARE_PERCENT // 100
    return min(limit_bytes, whole) if limit_bytes else whole


def specs(budget_bytes: int, partitions: int) -> list[TopicSpec]:
    """The table as what Kafka is asked for."""
    return [
        TopicSpec(name=topic.name, partitions=partitions, config=topic.config(budget_bytes, partitions))
        for topic in TOPICS
    ]


def grants() -> list[Grant]:
    """The rights of all principals but the super users, who need none."""
    return [
        Grant(principal=principal.name, topic=topic, read=True, write=topic in principal.writes)
        for principal in PRINCIPALS
        if not principal.is_super
        for topic in principal.readable
    ]


def set_up(admin: Admin, *, passwords: dict[str, str], budget_bytes: int, partitions: int = 1) -> Changes:
    """Bring users, topics and rights to the tables; `passwords` are of the users that this process can see."""
    unknown = set(passwords) - admin.users()
    admin.set_passwords({name: passwords[name] for name in sorted(unknown)})
    changed = admin.ensure_topics(specs(budget_bytes, partitions))
    added, removed = admin.ensure_grants(grants())
    return Changes(users=tuple(sorted(unknown)), topics=tuple(changed), rights_added=added, rights_removed=removed)
