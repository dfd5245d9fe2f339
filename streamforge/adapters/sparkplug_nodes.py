"""What is known of Sparkplug nodes: their births' names, aliases and types, sequence and death counters. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamforge.adapters.sparkplug_values import kind_of
from streamforge.adapters.sparkplug_wire import Metric
from streamforge.model import Names, names

SEQUENCE = 256
BDSEQ = "bdSeq"
_CONTROL = (f"{BDSEQ}", "Node Control/", "Device Control/", "_types_/")
NODE_ITSELF = ""


def is_reading(name: str) -> bool:
    """Whether a metric is a value of the plant, and no part of the protocol."""
    return not name.startswith(_CONTROL)


@dataclass(frozen=True, slots=True)
class Known:
    """What a birth says of one metric."""

    name: str
    datatype: int
    unit: str = ""


@dataclass(slots=True)
class Table:
    """The metrics of one device, or of the node itself (`NODE_ITSELF`), as of its last birth."""

    by_name: dict[str, Known] = field(default_factory=dict)
    by_alias: dict[int, Known] = field(default_factory=dict)

    def add(self, metric: Metric) -> None:
        """One metric of a birth."""
        known = Known(metric.name, metric.datatype, metric.unit)
        self.by_name[metric.name] = known
        if metric.alias >= 0:
            self.by_alias[metric.alias] = known

    def find(self, metric: Metric) -> Known | None:
        """What is known of a metric of DATA, which has its alias, or its name, or both."""
        if metric.name:
            return self.by_name.get(metric.name)
        return self.by_alias.get(metric.alias)

    def readings(self) -> Names:
        """Its parameters as columns."""
        known = [one for one in self.by_name.values() if is_reading(one.name)]
        return names(
            tuple(one.name for one in known),
            tuple(one.unit for one in known),
            bytes(kind_of(one.datatype) for one in known),
        )


@dataclass(slots=True)
class Node:
    """One edge node. `seq` and the bdSeqs -1 = not known; `dying` are devices whose death the log does not have yet."""

    seq: int = -1
    bdseq: int = -1
    bdseq_before: int = -1
    tables: dict[str, Table] = field(default_factory=dict)
    dying: dict[str, Table] = field(default_factory=dict)
    last: bytes = b""

    def born(self, payload_seq: int, bdseq: int) -> None:
        """NBIRTH: all that was known of the node and its devices is void."""
        self.seq = payload_seq
        if bdseq != self.bdseq:
            self.bdseq_before, self.bdseq = self.bdseq, bdseq
        self.tables.clear()
        self.dying.clear()

    def is_death_of_before(self, bdseq: int) -> bool:
        """Whether an NDEATH belongs to a connection from before the last birth.

        Some nodes count death and birth apart: what fits neither birth is believed.
        """
        return bdseq >= 0 and bdseq == self.bdseq_before and bdseq != self.bdseq

    def missing(self, seq: int) -> int:
        """How many messages are missing before the one of this number, which is noted.

        A node that stays at one number does not count; a hole of 255 would look the same.
        """
        before, self.seq = self.seq, seq
        return 0 if before < 0 or seq < 0 or seq == before else (seq - before - 1) % SEQUENCE


def bdseq_of(metrics: Iterable[Metric]) -> int:
    """The birth/death number, whatever its type (UInt64 or Int64, by the peer); -1 = there is none."""
    found = (one.raw for one in metrics if one.name == BDSEQ)
    return next((raw for raw in found if isinstance(raw, int)), -1)


def to_json(nodes: Mapping[tuple[str, str], Node]) -> list[dict[str, Any]]:
    """What is worth keeping over a restart: not the sequence, which went on meanwhile.

    A death that the log does not have is none yet: its message comes again, and must then find what died.
    """
    return [
        {
            "group": group,
            "node": name,
            "bdseq": node.bdseq,
            "bdseq_before": node.bdseq_before,
            "tables": {device: _rows(table) for device, table in (node.dying | node.tables).items()},
        }
        for (group, name), node in nodes.items()
    ]


def _rows(table: Table) -> list[list[Any]]:
    aliases = {known.name: alias for alias, known in table.by_alias.items()}
    return [[one.name, aliases.get(one.name, -1), one.datatype, one.unit] for one in table.by_name.values()]


def from_json(held: Any) -> dict[tuple[str, str], Node]:
    """The inverse of `to_json`. Raises ValueError, KeyError or TypeError where it is none."""
    found: dict[tuple[str, str], Node] = {}
    for one in held:
        node = Node(bdseq=int(one["bdseq"]), bdseq_before=int(one["bdseq_before"]))
        for device, rows in one["tables"].items():
            table = node.tables[str(device)] = Table()
            for name, alias, datatype, unit in rows:
                table.add(Metric(name=str(name), alias=int(alias), datatype=int(datatype), unit=str(unit)))
        found[str(one["group"]), str(one["node"])] = node
    return found
