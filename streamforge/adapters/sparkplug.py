"""Sparkplug B: births, data and deaths of edge nodes become readings. Pure but for the file of what is known.

The role is that of a listener: it sends nothing, unless `rebirth` allows it to ask a node that it does not understand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b

from streamforge.adapters.base import Batch, ReportRule, SignalRule, silence
from streamforge.adapters.mqtt_config import SparkplugRow
from streamforge.adapters.mqtt_readings import Sample, Unreadable
from streamforge.adapters.mqtt_topics import fill
from streamforge.adapters.sparkplug_nodes import NODE_ITSELF, Node, Table, bdseq_of, is_reading
from streamforge.adapters.sparkplug_rebirth import Rebirths
from streamforge.adapters.sparkplug_samples import Samples, named
from streamforge.adapters.sparkplug_values import Mismatch
from streamforge.adapters.sparkplug_wire import Metric, Payload, decode
from streamforge.adapters.tags import rule_of, signal_rule
from streamforge.model import Event, Severity

PREFIX = "spBv1.0/"
NODE_OFFLINE = "node_offline"
MOST_NODES = 1_000
MOST_ASSETS = 10_000
_BIRTHS, _DEATHS = {"NBIRTH", "DBIRTH"}, {"NDEATH", "DDEATH"}
_KINDS = {*_BIRTHS, *_DEATHS, "NDATA", "DDATA"}


@dataclass(slots=True)
class Told:
    """What one message says: readings of now, readings of before, what died, and what is missing."""

    samples: list[Sample] = field(default_factory=list)
    history: list[Sample] = field(default_factory=list)
    silent: list[Batch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unread: str = ""


@dataclass(frozen=True, slots=True)
class _Address:
    """Of whom a message is."""

    kind: str
    group: str
    node: str
    device: str

    @property
    def node_name(self) -> str:
        return f"{self.group}/{self.node}"

    @property
    def name(self) -> str:
        return f"{self.node_name}/{self.device}" if self.device else self.node_name


class Sparkplug:
    """All nodes of one instance."""

    def __init__(self, row: SparkplugRow, source: str, nodes: dict[tuple[str, str], Node] | None = None) -> None:
        """`source` names this adapter in its events."""
        self._row = row
        self._source = source
        self.nodes = nodes or {}
        self._samples = Samples(row.rows)
        self._rules = {tag.param: (rule_of(tag), signal_rule(tag)) for tag in row.rows}
        self._assets: dict[tuple[str, str, str], str] = {}
        self.rebirths = Rebirths()
        self.is_changed = False
        self.missing = 0
        self.repeated = 0

    def rules_of(self, asset_id: str, parameter: str) -> tuple[ReportRule, SignalRule | None] | None:
        """The rules of a metric of one of its assets."""
        return self._rules.get(parameter) if self._rules and asset_id in self._assets.values() else None

    def asset_of(self, group: str, node: str, device: str) -> str:
        """Whose readings those of a device are."""
        key = (group, node, device)
        found = self._assets.get(key)
        if found is None:
            if len(self._assets) >= MOST_ASSETS:
                self._assets.clear()
            parts = {"group": group, "node": node, "device": device}
            found = self._assets[key] = fill(self._row.asset_id, parts) or f"{group}/{node}"
        return found

    def read(self, topic: str, data: bytes, now_us: int) -> Told | None:
        """What a message says; None for one that is none of births, data and deaths. Raises Unreadable."""
        address = _address(topic)
        if address is None:
            return None
        payload = decode(data)
        node = self._node(address)
        if address.kind == "NDEATH":
            return self._died(node, address, bdseq_of(payload.metrics))
        told = Told()
        if address.kind == "NBIRTH":
            node.born(payload.seq, bdseq_of(payload.metrics))
            self.rebirths.reborn(address.node_name)
        elif self._is_repeat(node, data, payload):
            return told
        else:
            self._sequence(node, address, payload, now_us, told)
        node.last = _digest(data)
        if address.kind == "DDEATH":
            self._device_died(node, address, address.device, told)
        elif address.kind in _BIRTHS:
            self._birth(node, address, payload, told)
        else:
            self._data(node, address, payload, told)
        return told

    def _node(self, address: _Address) -> Node:
        key = (address.group, address.node)
        if key not in self.nodes and len(self.nodes) >= MOST_NODES:
            msg = f"more than {MOST_NODES} nodes"
            raise Unreadable(msg)
        return self.nodes.setdefault(key, Node())

    def _is_repeat(self, node: Node, data: bytes, payload: Payload) -> bool:
        """A message that the broker sent a second time: the same number and the same content as the last."""
        is_repeat = payload.seq >= 0 and payload.seq == node.seq and node.last == _digest(data)
        self.repeated += is_repeat
        return is_repeat

    def _sequence(self, node: Node, address: _Address, payload: Payload, now_us: int, told: Told) -> None:
        expected = (node.seq + 1) % 256
        missing = node.missing(payload.seq)
        if not missing:
            return
        self.missing += missing
        told.events.append(
            Event(
                event_id=f"{self._source}/{address.node_name}/gap/{payload.time_ms or now_us}/{payload.seq}",
                asset_id=self.asset_of(address.group, address.node, NODE_ITSELF),
                type="data_gap",
                severity=Severity.MEDIUM,
                time_us=payload.time_ms * 1000 or now_us,
                message=f"{address.node_name}: {missing} messages are missing before number {payload.seq}",
                source=self._source,
                details={"expected": str(expected), "found": str(payload.seq), "missing": str(missing)},
            )
        )
        self.rebirths.want(address.group, address.node)

    def _birth(self, node: Node, address: _Address, payload: Payload, told: Told) -> None:
        table = node.tables[address.device] = Table()
        node.dying.pop(address.device, None)
        self.is_changed = True
        self.rebirths.born(address.name)
        for metric in payload.metrics:
            if metric.name:
                table.add(metric)
        asset_id = self._asset(address)
        for metric in payload.metrics:
            if metric.name and is_reading(metric.name):
                self._add(told, metric, self._samples.by_itself(asset_id, metric, payload.time_ms))

    def _data(self, node: Node, address: _Address, payload: Payload, told: Told) -> None:
        table = node.tables.get(address.device) or Table()
        asset_id = self._asset(address)
        try:
            for metric in payload.metrics:
                known = table.find(metric) or named(metric)
                if is_reading(known.name):
                    self._add(told, metric, self._samples.of(asset_id, known, metric, payload.time_ms))
        except Mismatch:
            told.samples.clear()
            told.history.clear()
            for metric in payload.metrics:
                if metric.name and is_reading(metric.name):
                    self._add(told, metric, self._samples.by_itself(asset_id, metric, payload.time_ms))
            self._not_understood(node, address, told)

    def _asset(self, address: _Address) -> str:
        return self.asset_of(address.group, address.node, address.device)

    @staticmethod
    def _add(told: Told, metric: Metric, sample: Sample) -> None:
        (told.history if metric.is_historical else told.samples).append(sample)

    def _not_understood(self, node: Node, address: _Address, told: Told) -> None:
        """What was known is of another birth, or there is nothing known: only the next birth helps."""
        if node.tables.pop(address.device, None) is not None:
            self.is_changed = True
        self.rebirths.want(address.group, address.node)
        if self.rebirths.miss(address.name):
            told.unread = f"waiting for the birth of {address.name}: an alias or a type is not known"

    def _died(self, node: Node, address: _Address, bdseq: int) -> Told:
        """NDEATH: the node and all its devices, unless it is that of a connection before the last birth."""
        told = Told()
        if not node.is_death_of_before(bdseq):
            for device in list(node.tables):
                self._device_died(node, address, device, told)
            node.seq = -1
        return told

    def _device_died(self, node: Node, address: _Address, device: str, told: Told) -> None:
        """Every metric BAD, once: what is known goes with it, for it means nothing before the next birth."""
        table = node.tables.pop(device, None)
        if table is None:
            return
        self.is_changed = True
        columns = table.readings()
        if len(columns):
            node.dying[device] = table
            batch = silence(self.asset_of(address.group, address.node, device), columns, NODE_OFFLINE)
            told.silent.append(replace(batch, done=partial(self._death_is_told, node, device, table)))

    def _death_is_told(self, node: Node, device: str, table: Table) -> None:
        if node.dying.get(device) is table:
            del node.dying[device]
            self.is_changed = True

    def details(self) -> Mapping[str, object]:
        """For health and page."""
        return {
            "nodes": [
                {"node": f"{group}/{name}", "devices": sorted(filter(None, node.tables)), "is_born": bool(node.tables)}
                for (group, name), node in list(self.nodes.items())
            ],
            "messages_missing": self.missing,
            "messages_repeated": self.repeated,
            "waiting_for_birth": self.rebirths.misses(),
        }

    def remarks(self) -> Sequence[str]:
        """Nodes that cannot be read yet."""
        return [f"waiting for the birth of {name}" for name in self.rebirths.misses()]


def _address(topic: str) -> _Address | None:
    parts = topic.split("/")
    if len(parts) not in {4, 5} or parts[2] not in _KINDS or (parts[2][0] == "D") != (len(parts) == 5):
        return None
    return _Address(parts[2], parts[1], parts[3], parts[4] if len(parts) == 5 else NODE_ITSELF)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
