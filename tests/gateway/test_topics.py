"""The table of topics, its arithmetic, and the oneshot that brings a broker to it."""

import subprocess
import sys
from pathlib import Path

import pytest
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient

from streamforge.bus.admin import Admin
from streamforge.errors import ConfigError
from streamforge.gateway.disk_budget import disk_budget_bytes, require_enough
from streamforge.gateway.settings import KafkaSettings, load_settings
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.gateway.topic_setup import Changes, set_up
from streamforge.gateway.topics import (
    FIXED_BYTES,
    INDEX_BYTES,
    MAX_PARTITIONS,
    MEBIBYTE,
    RESERVE_PERCENT,
    SMALLEST_SEGMENT_BYTES,
    TOPICS,
    Priority,
    TopicShare,
    smallest_budget_bytes,
)
from streamforge.model import Topic

GIBIBYTE = 1024**3
NOTHING = Changes(users=(), topics=(), rights_added=0, rights_removed=0)


def in_force(broker: ThrowAwayBroker, topic: str) -> dict[str, str]:
    """The settings of a topic as the broker holds them."""
    client = KafkaAdminClient(**broker.connection("admin").kwargs())
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        held = client.describe_configs([resource], config_filter=ConfigFilterType.ALL)["topic"][topic]
        return {key: value["value"] for key, value in held.items()}
    finally:
        client.close()


def budgets(partitions: int) -> list[int]:
    """From the smallest that is taken to that of a disk of 4 TiB, close together where it is tight."""
    smallest = smallest_budget_bytes(partitions)
    near = [smallest + MEBIBYTE * step for step in range(0, 600, 7)]
    return [*near, *(round(smallest * 1.13**power) for power in range(60))]


@pytest.mark.parametrize("partitions", range(1, MAX_PARTITIONS + 1))
def test_all_that_the_log_can_grow_to_fits_the_budget(partitions: int) -> None:
    """Partitions x (retention + segment + indexes), metadata, Kafka's own topics and the ballast, reserve untouched."""
    for budget_bytes in budgets(partitions):
        whole = FIXED_BYTES + sum(topic.most_bytes(budget_bytes, partitions) for topic in TOPICS)
        reserve = (budget_bytes - FIXED_BYTES) * RESERVE_PERCENT // 100
        assert whole <= budget_bytes - reserve


@pytest.mark.parametrize("partitions", range(1, MAX_PARTITIONS + 1))
def test_every_topic_stays_within_its_share(partitions: int) -> None:
    for budget_bytes in budgets(partitions):
        for topic in TOPICS:
            assert topic.most_bytes(budget_bytes, partitions) <= topic.share_bytes(budget_bytes)


@pytest.mark.parametrize("partitions", range(1, MAX_PARTITIONS + 1))
def test_the_smallest_budget_is_not_larger_than_it_must_be(partitions: int) -> None:
    budget_bytes = smallest_budget_bytes(partitions) - MEBIBYTE
    least = partitions * (2 * SMALLEST_SEGMENT_BYTES + 2 * INDEX_BYTES)
    assert any(topic.most_bytes(budget_bytes, partitions) > topic.share_bytes(budget_bytes) for topic in TOPICS)
    assert min(topic.share_bytes(budget_bytes + 2 * MEBIBYTE) for topic in TOPICS) >= least


def test_a_disk_that_is_too_small_is_refused_with_the_size_it_would_need(tmp_path: Path) -> None:
    require_enough(tmp_path, smallest_budget_bytes(12), 12)
    with pytest.raises(ConfigError) as caught:
        require_enough(tmp_path, smallest_budget_bytes(12) - 1, 12)
    (fault,) = caught.value.faults
    assert fault.message == "the log may take 3156 MiB here, and with 12 partitions it needs 3157 MiB"
    assert fault.hint == "a data partition of at least 3713 MiB, a disk_limit of at least 3157M, or fewer partitions"


def test_a_limit_that_is_too_small_is_a_fault_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[kafka]\ndisk_limit = "100M"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert 'disk_limit = "100M" is too small for 1 partitions: at least "396M"' in str(caught.value.faults[0])


def test_alarms_alone_have_no_retention() -> None:
    kept = {topic.name for topic in TOPICS if topic.config(GIBIBYTE, 1)["retention.bytes"] == "-1"}
    assert kept == {"alarms.raw", "alarms.clean"}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_keeps_most_of_its_share(topic: TopicShare) -> None:
    share = topic.share_bytes(8 * GIBIBYTE)
    assert topic.retention_bytes(8 * GIBIBYTE, 1) > 0.7 * share


def test_the_shares_leave_the_reserve_of_the_design() -> None:
    assert sum(topic.share_percent for topic in TOPICS) == 100 - RESERVE_PERCENT


def test_every_topic_of_the_log_has_a_share() -> None:
    assert {share.topic for share in TOPICS} == set(Topic)
    assert len(TOPICS) == len(Topic)


def test_the_broker_flushes_no_topic_not_even_one_that_it_once_flushed() -> None:
    assert {topic.config(GIBIBYTE, 1)["flush.messages"] for topic in TOPICS} == {str(2**63 - 1)}


def test_alarms_dead_letters_and_the_audit_trail_are_critical() -> None:
    critical = {topic.name for topic in TOPICS if topic.priority is Priority.CRITICAL}
    assert critical == {"alarms.raw", "alarms.clean", "dlq.telemetry", "dlq.events", "audit_trail"}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_segments_are_small_but_none_that_kafka_refuses(topic: TopicShare) -> None:
    for budget_bytes in (100 * 1024**2, GIBIBYTE, 400 * GIBIBYTE):
        assert 1024**2 <= topic.segment_bytes(budget_bytes, 12) <= 16 * 1024**2


def test_the_budget_is_85_percent_of_the_disk_or_the_limit(tmp_path: Path) -> None:
    whole = disk_budget_bytes(tmp_path)
    assert disk_budget_bytes(tmp_path, 1000) == 1000
    assert disk_budget_bytes(tmp_path, whole * 2) == whole


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("", 0), ("4096M", 4096 * MEBIBYTE), ("20G", 20 * GIBIBYTE), ("1T", 1024**4)]
)
def test_disk_limits_are_sizes(text: str, size_bytes: int) -> None:
    assert KafkaSettings(disk_limit=text).disk_limit_bytes == size_bytes


def test_a_wrong_setting_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[kafka]\npartitions = 40\ndisk_limits = "20G"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert {fault.line for fault in caught.value.faults} == {2, 3}


def test_a_generation_without_gateway_toml_has_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path).kafka == KafkaSettings()


@pytest.mark.broker
def test_a_second_run_changes_nothing(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("topics")) as admin:
        set_up(admin, credentials=broker.passwords, budget_bytes=8 * GIBIBYTE)
        assert set_up(admin, credentials=broker.passwords, budget_bytes=8 * GIBIBYTE) == NOTHING


@pytest.mark.broker
def test_a_new_budget_changes_retention_and_nothing_else(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("topics")) as admin:
        set_up(admin, credentials={}, budget_bytes=8 * GIBIBYTE)
        changes = set_up(admin, credentials={}, budget_bytes=16 * GIBIBYTE)
        kept = {"alarms.clean"}  # without retention, and its segments are as large as they get
        assert set(changes.topics) == {topic.name for topic in TOPICS} - kept
        assert (changes.users, changes.rights_added, changes.rights_removed) == ((), 0, 0)
    wanted = TOPICS[0].config(16 * GIBIBYTE, 1)["retention.bytes"]
    assert in_force(broker, TOPICS[0].name)["retention.bytes"] == wanted


@pytest.mark.broker
def test_settings_of_the_broker_hold_for_the_topics(broker: ThrowAwayBroker) -> None:
    raw = in_force(broker, "telemetry.raw")
    assert in_force(broker, "alarms.clean")["flush.messages"] == raw["flush.messages"] == str(2**63 - 1)
    held = {
        key: raw[key]
        for key in ("retention.ms", "message.timestamp.type", "segment.index.bytes", "min.insync.replicas")
    }
    assert held == {
        "retention.ms": "-1",
        "message.timestamp.type": "LogAppendTime",
        "segment.index.bytes": "262144",
        "min.insync.replicas": "1",
    }


@pytest.mark.broker
def test_a_user_that_the_broker_does_not_know_is_added(broker: ThrowAwayBroker) -> None:
    with Admin(broker.connection("topics")) as admin:
        changes = set_up(admin, credentials={"adapter-of-tomorrow": "a-password"}, budget_bytes=16 * GIBIBYTE)
        assert changes.users == ("adapter-of-tomorrow",)
        assert "adapter-of-tomorrow" in admin.users()


@pytest.mark.broker
def test_the_oneshot_runs_as_its_unit_does(broker: ThrowAwayBroker, tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "CREDENTIALS_DIRECTORY": str(broker.credentials),
        "STREAMFORGE_ROOT": str(tmp_path),
        "STREAMFORGE_RUN": str(tmp_path),
        **broker.environment("topics"),
    }
    code = "import sys; from streamforge.gateway.topic_setup import main; sys.exit(main())"
    command = [sys.executable, "-c", code]
    repository = Path(__file__).parents[2]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=repository, check=False)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=repository, check=False)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "nothing to change" in second.stderr
