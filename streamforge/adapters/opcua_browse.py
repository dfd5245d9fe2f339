"""Finds the variables below a node whose paths fit the globs of a `[[browse]]` row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession

from streamforge.adapters.opcua_address import NodeAddress
from streamforge.adapters.opcua_config import BrowseRow
from streamforge.adapters.opcua_items import Item
from streamforge.adapters.opcua_server import Server, in_chunks
from streamforge.adapters.opcua_values import legible

Path = tuple[str, ...]
_KINDS = ua.NodeClass.Object | ua.NodeClass.Variable
_RESULT = ua.BrowseResultMask.BrowseName | ua.BrowseResultMask.NodeClass | ua.BrowseResultMask.ReferenceTypeId


class Globs:
    """Patterns over paths of names: `*` and `?` within one name, `**` for any number of names."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [re.compile(_expression(pattern)) for pattern in patterns]

    def fit(self, path: Path) -> bool:
        """Whether any pattern fits the whole path."""
        text = "".join(f"{name}\0" for name in path)
        return any(pattern.fullmatch(text) for pattern in self._patterns)


def _expression(pattern: str) -> str:
    """A name may hold slashes, so names end with a character that no name has."""
    parts = []
    for part in pattern.strip("/").split("/"):
        if part == "**":
            parts.append("(?:[^\0]*\0)*")
        else:
            parts.append(re.escape(part).replace(r"\*", "[^\0]*").replace(r"\?", "[^\0]") + "\0")
    return "".join(parts)


@dataclass(slots=True)
class _Walk:
    """How far a walk has come; a node that is reached over two ways counts once, at the shorter one."""

    row: BrowseRow
    seen: set[ua.NodeId] = field(default_factory=set)
    found: list[tuple[Path, ua.NodeId]] = field(default_factory=list)

    def take(self, at: Path, references: Sequence[Any]) -> list[tuple[Path, ua.NodeId]]:
        """Note the variables among these; the nodes to look below next."""
        below = []
        for reference in references:
            target = reference.NodeId
            if getattr(target, "ServerIndex", 0) or reference.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty):
                continue
            node = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
            if node in self.seen:
                continue
            self.seen.add(node)
            path = (*at, reference.BrowseName.Name or "")
            if reference.NodeClass == ua.NodeClass.Variable:
                self.found.append((path, node))
            below.append((path, node))
        return below


class RootUnknown(Exception):  # noqa: N818 - a state of the server, which may be starting or taking a new program
    """The server does not show what is below the node; the message says why."""


async def find(session: UaSession, server: Server, row: BrowseRow, root: ua.NodeId) -> list[tuple[Path, ua.NodeId]]:
    """Every variable below `root` that the row wants, by path; at most one more than `row.most`.

    Raises RootUnknown.
    """
    walk = _Walk(row)
    include, exclude = Globs(row.include), Globs(row.exclude)
    level: list[tuple[Path, ua.NodeId]] = [((), root)]
    wanted: list[tuple[Path, ua.NodeId]] = []
    for _ in range(row.depth):
        results = await _browse(session, server, [node for _, node in level], is_root=level == [((), root)])
        walk.found = []
        level = [
            below for (path, _), references in zip(level, results, strict=True) for below in walk.take(path, references)
        ]
        wanted += [(path, node) for path, node in walk.found if include.fit(path) and not exclude.fit(path)]
        if not level or len(wanted) > row.most:
            break
    return sorted(wanted[: row.most + 1], key=lambda one: one[0])


async def _browse(session: UaSession, server: Server, nodes: Sequence[ua.NodeId], *, is_root: bool) -> list[list[Any]]:
    """The references forward from each node, all of them."""

    async def ask(part: Sequence[ua.NodeId]) -> Sequence[list[Any]]:
        wanted = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
                IncludeSubtypes=True,
                NodeClassMask=_KINDS,
                ResultMask=_RESULT,
            )
            for node in part
        ]
        results = await session.browse(ua.BrowseParameters(NodesToBrowse=wanted))
        if is_root and results[0].StatusCode.value and not results[0].StatusCode.is_good():
            raise RootUnknown(results[0].StatusCode.name)
        return [await _whole(session, result) for result in results]

    return await in_chunks(nodes, server.limits.browses, ask)


async def _whole(session: UaSession, result: Any) -> list[Any]:
    """The references of one result, with what the server gives only when asked again."""
    references = list(result.References or ())
    while result.ContinuationPoint:
        parameters = ua.BrowseNextParameters(
            ReleaseContinuationPoints=False, ContinuationPoints=[result.ContinuationPoint]
        )
        (result,) = await session.browse_next(parameters)
        references += result.References or ()
    return references


def item_at(row: BrowseRow, asset_id: str, path: Path, node: ua.NodeId, server: Server) -> Item:
    """The item of a variable that was found; its namespace by URI, so that a restart of the server changes nothing."""
    kind = {ua.NodeIdType.String: "s", ua.NodeIdType.Guid: "g", ua.NodeIdType.ByteString: "b"}.get(node.NodeIdType, "i")
    identifier = node.Identifier
    name = identifier.hex() if isinstance(identifier, bytes) else str(identifier)
    index = node.NamespaceIndex
    namespace = server.namespaces[index] if 0 < index < len(server.namespaces) else index
    return Item(
        asset_id=row.asset_id or asset_id,
        parameter=legible(row.parameter(path)),
        address=NodeAddress(namespace=namespace, kind=kind, name=name),
    )
