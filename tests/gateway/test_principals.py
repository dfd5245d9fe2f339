"""Who may do what: the table, and the broker that holds to it."""

from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.errors import TopicAuthorizationFailedError

from streamforge.bus.admin import Admin, Grant
from streamforge.bus.connection import Connection
from streamforge.bus.reader import Reader
from streamforge.cli.find import component_class, kinds
from streamforge.errors import StreamForgeError
from streamforge.gateway.instances import Role
from streamforge.gateway.principals import PRINCIPALS, SUPER_USERS, Principal, passwords
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.gateway.topics import TOPICS

ORDINARY = [principal for principal in PRINCIPALS if not principal.is_super]
NAMES = {topic.name for topic in TOPICS}


@pytest.mark.parametrize("principal", ORDINARY, ids=lambda principal: principal.name)
def test_every_topic_of_the_table_exists(principal: Principal) -> None:
    assert {*principal.reads, *principal.writes} <= NAMES


@pytest.mark.parametrize("name", kinds(Role.TRANSFORM))
def test_a_transform_is_granted_what_its_stages_use_and_no_more(name: str) -> None:
    cls = component_class(Role.TRANSFORM, name)
    stages = cls.stages(cls.Config())
    inputs = {stage.input for stage in stages}
    outputs = {topic for stage in stages for topic in (stage.output, *stage.sides)}
    principal = named(f"transform-{name}")
    assert set(principal.writes) == outputs
    assert set(principal.readable) == inputs | outputs


@pytest.mark.parametrize("role", [Role.ADAPTER, Role.SINK])
def test_every_kind_has_its_principal_and_every_principal_its_kind(role: Role) -> None:
    held = {principal.name for principal in ORDINARY if principal.name.startswith(f"{role}-")}
    assert held == {f"{role}-{kind}" for kind in kinds(role)}


def test_every_topic_of_telemetry_has_one_writer() -> None:
    for name in NAMES:
        if name.startswith("telemetry."):
            kinds = {principal.name.partition("-")[0] for principal in ORDINARY if name in principal.writes}
            assert len(kinds) == 1, name


def test_no_more_than_three_may_do_everything() -> None:
    assert SUPER_USERS == ("kafka", "admin", "topics")


def test_only_credentials_that_are_there_are_found(tmp_path: Path) -> None:
    (tmp_path / "kafka-web").write_text("one")
    (tmp_path / "kafka-nobody").write_text("two")
    assert passwords(tmp_path) == {"web": "one"}


def named(name: str) -> Principal:
    return next(principal for principal in PRINCIPALS if principal.name == name)


def write(connection: Connection, topic: str) -> int:
    producer = KafkaProducer(**connection.kwargs(), acks="all")
    try:
        offset: int = producer.send(topic, b"x", partition=0).get(10).offset
        return offset
    finally:
        producer.close(5)


@pytest.mark.broker
@pytest.mark.parametrize("principal", ORDINARY, ids=lambda principal: principal.name)
def test_it_writes_its_own_topics_and_no_other(broker: ThrowAwayBroker, principal: Principal) -> None:
    connection = broker.connection(principal.name)
    for topic in principal.writes:
        assert write(connection, topic) >= 0
    with pytest.raises(TopicAuthorizationFailedError):
        write(connection, sorted(NAMES - set(principal.writes))[0])


@pytest.mark.broker
@pytest.mark.parametrize("principal", ORDINARY, ids=lambda principal: principal.name)
def test_it_reads_its_inputs_and_the_tail_of_its_outputs(broker: ThrowAwayBroker, principal: Principal) -> None:
    reader = Reader(broker.connection(principal.name))
    try:
        for topic in principal.readable:
            (place,) = reader.partitions(topic)
            end = reader.ends([place])[place]
            assert len(reader.tail(place)) == min(end, 1)
    finally:
        reader.close()


@pytest.mark.broker
def test_it_cannot_read_what_is_not_its_own(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("adapter-modbus-tcp")) as client, pytest.raises(StreamForgeError):
        client.end_offset("audit_trail")


@pytest.mark.broker
def test_it_gives_nobody_rights(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("web")) as client, pytest.raises(StreamForgeError):
        client.ensure_grants([Grant(principal="web", topic="telemetry.raw", write=True)])
