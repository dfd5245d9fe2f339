"""What is asked of a server besides a subscription: namespaces, limits, nodes of paths, values; in small chunks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaStatusCodeError

from streamforge.adapters.opcua_address import Address, NodeAddress, PathAddress, UnknownNamespace, browse_path, node_id
from streamforge.adapters.opcua_limits import LIMIT_NODES, Limits, Profile, chunks, limits_of, profile_of

T = TypeVar("T")
R = TypeVar("R")
CONFIG_ERROR = "config_error"
_BUILD = (ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
          ua.ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName)  # fmt: skip
_TOO_MANY = {ua.StatusCodes.BadTooManyOperations, ua.StatusCodes.BadEncodingLimitsExceeded}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as it shows itself on a new session: `namespaces` by index, when it started, what it bears."""

    namespaces: tuple[str, ...]
    started: datetime | None
    profile: Profile
    limits: Limits


async def in_chunks(wanted: Sequence[T], size: int, ask: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> list[R]:
    """One answer each, asked for in requests of at most `size`; a request that is too large is halved."""
    found: list[R] = []
    for part in chunks(wanted, size):
        try:
            found += await ask(part)
        except UaStatusCodeError as error:
            if error.code not in _TOO_MANY or len(part) == 1:
                raise
            found += await in_chunks(part, (len(part) + 1) // 2, ask)
    return found


async def read(
    session: UaSession, nodes: Sequence[ua.NodeId], size: int, attribute: ua.AttributeIds = ua.AttributeIds.Value
) -> list[ua.DataValue]:
    """The attribute of each node, with both timestamps; what is wrong with a node is the status of its value."""

    async def ask(part: Sequence[ua.NodeId]) -> Any:
        wanted = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in part]
        both = ua.TimestampsToReturn.Both
        return await session.read(ua.ReadParameters(MaxAge=0.0, TimestampsToReturn=both, NodesToRead=wanted))

    return await in_chunks(nodes, size, ask)


async def look(session: UaSession, wanted: Profile) -> Server:
    """What the server says of itself; `wanted` overrules what it seems to be."""
    ids = (ua.ObjectIds.Server_NamespaceArray, ua.ObjectIds.Server_ServerStatus_StartTime, *_BUILD)
    # A server of which nothing is known is asked for little at a time: also for its limits.
    table, started, *build = [_plain(one) for one in await read(session, [ua.NodeId(one) for one in ids], 2)]
    said = await read(session, [ua.NodeId(one) for one in LIMIT_NODES.values()], 2)
    profile = profile_of([str(one or "") for one in build]) if wanted is Profile.AUTO else wanted
    limits = {name: int(_plain(one) or 0) for name, one in zip(LIMIT_NODES, said, strict=True)}
    return Server(namespaces=tuple(table or ()), started=started, profile=profile, limits=limits_of(profile, limits))


def _plain(data: ua.DataValue) -> Any:
    is_good = data.StatusCode is None or data.StatusCode.is_good()
    return data.Value.Value if is_good and data.Value is not None else None


async def nodes_of(session: UaSession, server: Server, addresses: Sequence[Address]) -> list[ua.NodeId | str]:
    """Each address's node on this connection, or why it has none."""
    found: dict[int, ua.NodeId | str] = {}
    paths: list[tuple[int, PathAddress]] = []
    for index, address in enumerate(addresses):
        if isinstance(address, PathAddress):
            paths.append((index, address))
        else:
            found[index] = _direct(address, server.namespaces)
    translated = await in_chunks(
        [browse_path(path) for _, path in paths], server.limits.paths, session.translate_browsepaths_to_nodeids
    )
    for (index, _), result in zip(paths, translated, strict=True):
        found[index] = _target(result)
    return [found[index] for index in range(len(addresses))]


async def units_of(session: UaSession, server: Server, nodes: Sequence[ua.NodeId]) -> list[str]:
    """The unit that each variable says in its property EngineeringUnits; "" where it says none."""
    element = ua.RelativePathElement(
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasProperty),
        IsInverse=False,
        IncludeSubtypes=True,
        TargetName=ua.QualifiedName("EngineeringUnits", 0),
    )
    paths = [ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath([element])) for node in nodes]
    results = await in_chunks(paths, server.limits.paths, session.translate_browsepaths_to_nodeids)
    targets = [_target(one) for one in results]
    there = [one for one in targets if isinstance(one, ua.NodeId)]
    said = iter(await read(session, there, server.limits.reads))
    return ["" if isinstance(one, str) else _unit(_plain(next(said))) for one in targets]


def _unit(information: Any) -> str:
    """Of an EUInformation (OPC 10000-8, 5.6.3) what people read."""
    name = getattr(information, "DisplayName", None)
    return str(name.Text or "") if name is not None else ""


def _direct(address: NodeAddress, namespaces: Sequence[str]) -> ua.NodeId | str:
    try:
        return node_id(address, namespaces)
    except UnknownNamespace as error:
        return f"{CONFIG_ERROR}: {error}"


def _target(result: Any) -> ua.NodeId | str:
    if not result.StatusCode.is_good() or not result.Targets:
        return f"{CONFIG_ERROR}: {result.StatusCode.name}"
    target = result.Targets[0].TargetId
    return ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
