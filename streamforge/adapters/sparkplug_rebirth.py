"""Nodes that are not understood: how many of their messages, and when they may be asked for their birth. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_SECONDS = 60.0
MOST_SECONDS = 3600.0


@dataclass(slots=True)
class Rebirths:
    """Asks a node at most once a minute, then ever more rarely, until its birth has come."""

    _misses: Counter[str] = field(default_factory=Counter)
    _wanted: set[tuple[str, str]] = field(default_factory=set)
    _next_seconds: dict[str, float] = field(default_factory=dict)
    _waits_seconds: dict[str, float] = field(default_factory=dict)

    def miss(self, name: str) -> bool:
        """A message of this node or device is not understood; True for the first one since its last birth."""
        self._misses[name] += 1
        return self._misses[name] == 1

    def want(self, group: str, node: str) -> None:
        """Its birth would help."""
        self._wanted.add((group, node))

    def born(self, name: str) -> None:
        """The birth of a node or of one of its devices came."""
        del self._misses[name]

    def reborn(self, node_name: str) -> None:
        """A node's birth came, and those of its devices will: it may be asked again soon."""
        self._misses = Counter({name: count for name, count in self._misses.items() if not _is_of(name, node_name)})
        self._wanted = {one for one in self._wanted if "/".join(one) != node_name}
        self._waits_seconds.pop(node_name, None)

    def misses(self) -> Mapping[str, int]:
        """Node or device -> messages that were not understood."""
        return dict(self._misses)

    def due(self, now_seconds: float) -> list[tuple[str, str]]:
        """Group and node of whom to ask now; time is of the monotonic clock."""
        found = []
        for group, node in sorted(self._wanted):
            name = f"{group}/{node}"
            if now_seconds < self._next_seconds.get(name, 0.0):
                continue
            wait = self._waits_seconds.get(name, FIRST_SECONDS)
            self._next_seconds[name] = now_seconds + wait
            self._waits_seconds[name] = min(2 * wait, MOST_SECONDS)
            found.append((group, node))
        return found


def _is_of(name: str, node_name: str) -> bool:
    return name == node_name or name.startswith(f"{node_name}/")
