"""Administration of the broker: topics, rights, users, offsets; idempotent."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kafka import TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigFilterType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    OffsetSpec,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import CoordinatorLoadInProgressError, KafkaError, for_code
from kafka.protocol.producer import InitProducerIdRequest

from streamforge.bus.connection import RECONNECT_MS, Connection, watch_authentication
from streamforge.bus.failures import translate
from streamforge.errors import Fatal, NotConnected
from streamforge.progress import Partition

BOOTSTRAP_TIMEOUT_MS = 30_000
REQUEST_TIMEOUT_MS = 10_000
IN_FORCE_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What a topic shall be: partitions at creation, and its settings by Kafka's names."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one principal may do with one topic."""

    principal: str
    topic: str
    read: bool = False
    write: bool = False
    delete: bool = False
    alter: bool = False


class Admin:
    """One administrative connection; a context manager.

    Constructing it connects: ConfigError for a refused password. All else that fails, here and later, is the
    StreamForgeError of `failures.translate`: NotConnected where no broker answers in time.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        bootstrap_timeout_ms: int = BOOTSTRAP_TIMEOUT_MS,
        request_timeout_ms: int = REQUEST_TIMEOUT_MS,
    ) -> None:
        self._connection = connection
        with translated(connection), watch_authentication(connection):
            self._client = KafkaAdminClient(
                **connection.kwargs(),
                bootstrap_timeout_ms=bootstrap_timeout_ms,
                request_timeout_ms=request_timeout_ms,
                reconnect_backoff_max_ms=RECONNECT_MS,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; again does nothing."""
        self._client.close()

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        with translated(self._connection):
            return {topic["name"]: len(topic["partitions"]) for topic in self._client.describe_topics()}

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create what is missing, set what differs; the names of what was changed. Partitions never change."""
        present = self.topics()
        missing = [spec for spec in specs if spec.name not in present]
        with translated(self._connection):
            if missing:
                self._create(missing)
            found = [spec for spec in specs if spec.name in present]
            return [spec.name for spec in missing] + self._adjust(found)

    def _create(self, specs: Sequence[TopicSpec]) -> None:
        self._client.create_topics(
            {
                spec.name: {"num_partitions": spec.partitions, "replication_factor": 1, "configs": dict(spec.config)}
                for spec in specs
            },
            wait_for_metadata=True,
        )

    def _adjust(self, specs: Sequence[TopicSpec]) -> list[str]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
        if not resources:
            return []
        held = self._client.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
        different = {
            spec.name: changes
            for spec in specs
            if (changes := {key: value for key, value in spec.config.items() if held[spec.name][key]["value"] != value})
        }
        self._alter(different)
        return list(different)

    def _alter(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(some)) for name, some in changes.items()]
        if resources:
            # Not asked whether the keys are known: that would need a right of its own.
            self._client.alter_configs(resources, raise_on_unknown=False, incremental=True)

    def settings(self, topics: Sequence[str], key: str) -> dict[str, str]:
        """One setting, by Kafka's name, of these topics as the broker has it in force."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        with translated(self._connection, ", ".join(topics)):
            held = self._client.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
        return {name: str(held[name][key]["value"]) for name in topics}

    def set_setting(self, key: str, values: Mapping[str, str]) -> None:
        """Change one setting of topics: topic -> value."""
        with translated(self._connection, ", ".join(values)):
            self._alter({topic: {key: value} for topic, value in values.items()})

    def ensure_grants(self, grants: Sequence[Grant]) -> tuple[int, int]:
        """Make the topic rights of all principals exactly these; how many rules were added and removed."""
        wanted = {rule for grant in grants for rule in _rules(grant)}
        with translated(self._connection):
            held = {_rule(acl) for acl in self._acls()}
            added, removed = wanted - held, held - wanted
            if added:
                answer = self._client.create_acls([_acl(*rule) for rule in sorted(added)])
                if answer["failed"]:
                    raise answer["failed"][0]
            if removed:
                self._client.delete_acls([_filter(*rule) for rule in sorted(removed)])
            _wait("rights", lambda: {_rule(acl) for acl in self._acls()} == wanted)
        return len(added), len(removed)

    def _acls(self) -> list[ACL]:
        pattern = ResourcePatternFilter(ResourceType.TOPIC, None, ACLResourcePatternType.ANY)
        everything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)
        found: list[ACL] = self._client.describe_acls(everything)[0]
        return found

    def users(self) -> set[str]:
        """The SCRAM users that the broker knows."""
        with translated(self._connection):
            return set(self._client.describe_user_scram_credentials())

    def set_passwords(self, passwords: Mapping[str, str]) -> None:
        """Create these SCRAM-SHA-512 users, or give them a new password."""
        if not passwords:
            return
        mechanism = ScramMechanism.SCRAM_SHA_512
        users = [UserScramCredentialUpsertion(user, mechanism, password) for user, password in passwords.items()]
        with translated(self._connection):
            answers = self._client.alter_user_scram_credentials(users)
        if refused := {user: reason for user, reason in answers.items() if reason}:
            msg = f"the broker did not take the password of {refused}"
            raise Fatal(msg)
        _wait("users", lambda: set(passwords) <= self.users())

    def skip_producer_ids(self, first: int, most: int) -> int:
        """Use up producer ids until `first` is the next one, or `most` are; the id that comes next."""
        last = -1
        with translated(self._connection):
            for _ in range(most):
                request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
                answer = self._client._manager.run(self._client._manager.send, request)  # noqa: SLF001 - no public way
                if answer.error_code == CoordinatorLoadInProgressError.errno:  # its next thousand is on its way
                    time.sleep(POLL_SECONDS)
                    continue
                if answer.error_code:
                    raise for_code(answer.error_code)
                last = int(answer.producer_id)
                if last + 1 >= first:
                    break
        return last + 1

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The offset that the next record will get: one small request, answered by the partition's log."""
        place = TopicPartition(topic, partition)
        with translated(self._connection, topic):
            offset: int = self._client.list_partition_offsets({place: OffsetSpec.LATEST})[place].offset
        return offset

    def delete_records(self, ends: Mapping[Partition, int]) -> None:
        """Let each partition begin at this offset; one that begins later already stays as it is.

        The broker removes the files of segments that lie wholly before it some seconds later.
        """
        with translated(self._connection, ", ".join(sorted({place.topic for place in ends}))):
            self._client.delete_records({TopicPartition(*place): offset for place, offset in ends.items()})


@contextmanager
def translated(connection: Connection, topic: str = "") -> Iterator[None]:
    """The client's errors inside as this product's own."""
    try:
        yield
    except (KafkaError, OSError) as error:
        raise translate(error, connection, topic) from error


def _wait(what: str, is_in_force: Callable[[], bool]) -> None:
    """A change is acknowledged when the controller has it; the broker follows some milliseconds later."""
    deadline = time.monotonic() + IN_FORCE_SECONDS
    while not is_in_force():
        if time.monotonic() > deadline:
            msg = f"the broker did not put the new {what} in force within {IN_FORCE_SECONDS:.0f} s"
            raise NotConnected(msg)
        time.sleep(POLL_SECONDS)


Rule = tuple[str, str, int]


def _rules(grant: Grant) -> list[Rule]:
    """WRITE and DESCRIBE suffice for an idempotent producer."""
    operations = [ACLOperation.DESCRIBE]
    operations += [ACLOperation.READ] if grant.read else []
    operations += [ACLOperation.WRITE] if grant.write else []
    operations += [ACLOperation.DELETE] if grant.delete else []
    operations += [ACLOperation.DESCRIBE_CONFIGS, ACLOperation.ALTER_CONFIGS] if grant.alter else []
    return [(f"User:{grant.principal}", grant.topic, int(operation)) for operation in operations]


def _rule(acl: ACL) -> Rule:
    return (acl.principal, acl.resource_pattern.resource_name, int(acl.operation))


def _acl(principal: str, topic: str, operation: int) -> ACL:
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    return ACL(principal, "*", ACLOperation(operation), ACLPermissionType.ALLOW, pattern)


def _filter(principal: str, topic: str, operation: int) -> ACLFilter:
    pattern = ResourcePatternFilter(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    return ACLFilter(principal, "*", ACLOperation(operation), ACLPermissionType.ALLOW, pattern)
