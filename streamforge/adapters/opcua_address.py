"""Where a value stands in a server: the texts that people write as `at`, and what they mean on one connection.

A namespace is written as its URI or as its index. The index of a URI is the server's to choose at each of its starts,
so it is looked up on every connection.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from asyncua import ua

Namespace = int | str
_NODE = re.compile(r"(?:ns=(?P<index>\d{1,5});|nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<name>.+)", re.DOTALL)
_ELEMENT = re.compile(r"(?P<name>.+)\[(?P<element>\d{1,9})\]", re.DOTALL)
_STEP = re.compile(r"(?:(?P<index>\d{1,5}):)?(?P<name>.+)", re.DOTALL)
_KNOWN = 'write "ns=2;s=Name", "nsu=urn:plant;i=1007", "i=2258", or a browse path such as "/Objects/2:Plant/2:T1"'
_IDENTIFIERS = {
    "i": "write a number from 0 to 4294967295, for example i=1007",
    "g": "write a GUID, for example g=72962b91-fa75-4ae6-8d28-b404dc7daf63",
    "b": "write bytes in hexadecimal, for example b=0aff",
    "s": "write a text, for example s=PT101",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """A node by its identifier; `element` picks one member of an array (-1 = the whole value).

    `kind` is i, s, g or b as in the text form of the specification (OPC 10000-6, 5.3.1.10).
    """

    namespace: Namespace = 0
    kind: str = "i"
    name: str
    element: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAddress:
    """A node by the browse names that lead to it from Root, (namespace index, name) each; `element` as above."""

    steps: tuple[tuple[int, str], ...]
    element: int = -1


Address = NodeAddress | PathAddress


class UnknownNamespace(ValueError):  # noqa: N818 - a state of the server, not a failure of ours
    """The server has no namespace of that URI."""


def parse_address(text: str) -> Address:
    """The address that people write. Raises ValueError that says what can be written."""
    text = text.strip()
    if text.startswith("/"):
        return _path(text)
    found = _NODE.fullmatch(text)
    if not found:
        msg = f"{text!r} is no address of a node: {_KNOWN}"
        raise ValueError(msg)
    namespace: Namespace = found["uri"].replace("%3B", ";").replace("%25", "%") if found["uri"] else 0
    if found["index"]:
        namespace = int(found["index"])
    address = NodeAddress(namespace=namespace, kind=found["kind"], name=found["name"])
    # A string identifier may hold brackets itself ("DB1"."Values"[3] of a PLC): the server decides, see `element_of`.
    address = address if address.kind == "s" else _split(address)
    node_id(address, None)
    return address


def element_of(address: Address) -> NodeAddress | None:
    """The member of an array that a string identifier may mean where no node has all of its text; None = it cannot."""
    if not isinstance(address, NodeAddress) or address.kind != "s" or address.element >= 0:
        return None
    split = _split(address)
    return split if split.element >= 0 else None


def node_id(address: NodeAddress, namespaces: Sequence[str] | None) -> ua.NodeId:
    """The node on this connection; `namespaces` is the server's table, None = judge the text alone.

    Raises UnknownNamespace, or ValueError where the identifier is no such identifier.
    """
    index = address.namespace
    if isinstance(index, str):
        if namespaces is None:
            index = 0
        elif index in namespaces:
            index = namespaces.index(index)
        else:
            msg = f"the server has no namespace {index!r}"
            raise UnknownNamespace(msg)
    try:
        return _identifier(address, index)
    except ValueError as error:
        msg = f"{address.kind}={address.name} is no identifier: {_IDENTIFIERS[address.kind]}"
        raise ValueError(msg) from error


def address_text(address: NodeAddress) -> str:
    """The address as people write it: what `parse_address` reads."""
    if isinstance(address.namespace, str):
        namespace = f"nsu={address.namespace.replace('%', '%25').replace(';', '%3B')};"
    else:
        namespace = f"ns={address.namespace};" if address.namespace else ""
    element = f"[{address.element}]" if address.element >= 0 else ""
    return f"{namespace}{address.kind}={address.name}{element}"


def _identifier(address: NodeAddress, index: int) -> ua.NodeId:
    match address.kind:
        case "i":
            return ua.NodeId(_number(address.name), index)
        case "g":
            return ua.NodeId(UUID(address.name), index, ua.NodeIdType.Guid)
        case "b":
            return ua.NodeId(bytes.fromhex(address.name), index, ua.NodeIdType.ByteString)
        case _:
            return ua.NodeId(address.name, index, ua.NodeIdType.String)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 32):
        raise ValueError(text)
    return int(text)


def browse_path(address: PathAddress) -> ua.BrowsePath:
    """The path as the service TranslateBrowsePathsToNodeIds takes it: from Root, over references of any hierarchy."""
    elements = [
        ua.RelativePathElement(
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
            IsInverse=False,  # the library's own default is True
            IncludeSubtypes=True,
            TargetName=ua.QualifiedName(name, index),
        )
        for index, name in address.steps
    ]
    return ua.BrowsePath(StartingNode=ua.NodeId(ua.ObjectIds.RootFolder), RelativePath=ua.RelativePath(elements))


def _path(text: str) -> PathAddress:
    steps = []
    for part in text.removeprefix("/").split("/"):
        found = _STEP.fullmatch(part)
        if not found:
            msg = f"{text!r} has an empty step: {_KNOWN}"
            raise ValueError(msg)
        steps.append((int(found["index"] or 0), found["name"]))
    last = _ELEMENT.fullmatch(steps[-1][1])
    if last:
        steps[-1] = (steps[-1][0], last["name"])
    return PathAddress(steps=tuple(steps), element=int(last["element"]) if last else -1)


def _split(address: NodeAddress) -> NodeAddress:
    found = _ELEMENT.fullmatch(address.name)
    return replace(address, name=found["name"], element=int(found["element"])) if found else address
