"""How people write where a value stands, and what that is on one connection."""

import pytest
from asyncua import ua

from streamforge.adapters.opcua_address import (
    NodeAddress,
    PathAddress,
    UnknownNamespace,
    browse_path,
    element_of,
    node_id,
    parse_address,
)
from streamforge.adapters.opcua_config import Source

TABLE = ("http://opcfoundation.org/UA/", "urn:server", "urn:plant")


def node(text: str) -> str:
    address = parse_address(text)
    assert isinstance(address, NodeAddress)
    return str(node_id(address, TABLE).to_string())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("i=2258", "i=2258"),
        ("ns=2;s=T1", "ns=2;s=T1"),
        ("nsu=urn:plant;s=T1", "ns=2;s=T1"),
        ("nsu=urn:plant;i=70000", "ns=2;i=70000"),
        ('ns=2;s="DB1"."Values"[3]', 'ns=2;s="DB1"."Values"[3]'),
        ("ns=2;s=a;b=c", "ns=2;s=a;b=c"),
        ("ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63", "ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63"),
    ],
)
def test_an_identifier_is_the_servers_node(text: str, found: str) -> None:
    assert node(text) == found


def test_the_index_of_a_uri_is_that_of_this_connection() -> None:
    address = parse_address("nsu=urn:plant;s=T1")
    assert isinstance(address, NodeAddress)
    assert node_id(address, ("", "urn:plant")).NamespaceIndex == 1
    with pytest.raises(UnknownNamespace, match="urn:plant"):
        node_id(address, ("", "urn:other"))


def test_a_member_of_an_array_is_told_where_the_identifier_has_no_brackets_of_its_own() -> None:
    assert parse_address("ns=2;i=7[3]") == NodeAddress(namespace=2, kind="i", name="7", element=3)
    whole = parse_address("ns=2;s=T1[3]")
    assert whole == NodeAddress(namespace=2, kind="s", name="T1[3]")
    assert element_of(whole) == NodeAddress(namespace=2, kind="s", name="T1", element=3)
    assert element_of(parse_address("ns=2;s=T1")) is None


def test_a_path_leads_from_root_over_references_forward() -> None:
    address = parse_address("/Objects/2:Plant/2:T1[4]")
    assert address == PathAddress(steps=((0, "Objects"), (2, "Plant"), (2, "T1")), element=4)
    path = browse_path(address)
    assert path.StartingNode == ua.NodeId(ua.ObjectIds.RootFolder)
    assert not any(step.IsInverse for step in path.RelativePath.Elements)


@pytest.mark.parametrize(
    "text", ["", "T1", "ns=2", "ns=x;s=T", "i=abc", "i=4294967296", "i=-1", "/Objects//T", "g=12", "b=xyz", "40001"]
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_address(text)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("plc.local", "write for example"),
        ("opc.tcp://plc.local:99999", "write for example"),
        ("opc.tcp://plc.local:x", "write for example"),
        ("opc.tcp://gateway:secret@plc.local", "write username and password"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_showing_a_password(endpoint: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Source(endpoint=endpoint)
    assert "secret" not in str(caught.value)
