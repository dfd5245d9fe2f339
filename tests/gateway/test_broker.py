"""The broker as settings and a command line, and its storage as something that is whole or not there."""

import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.gateway.broker import Broker
from streamforge.gateway.broker_format import cluster_id, format_storage, is_formatted
from tests.broker import new_broker

DESIGN = """
log.cleaner.dedupe.buffer.size=4194304
log.retention.ms=-1
offsets.retention.minutes=2147483647
log.message.timestamp.type=LogAppendTime
log.segment.bytes=16777216
log.index.size.max.bytes=262144
metadata.max.idle.interval.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
min.insync.replicas=1
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.controller.sasl.enabled.mechanisms=PLAIN
"""


@pytest.fixture
def settings(tmp_path: Path) -> Broker:
    libs = tmp_path / "libs"
    libs.mkdir()
    for name in ("b.jar", "a.jar"):
        (libs / name).touch()
    return Broker(data=tmp_path / "data", credentials=tmp_path / "credentials", work=tmp_path / "work", libs=libs,
                  archive=tmp_path / "kafka.jsa")  # fmt: skip


@pytest.mark.parametrize("line", DESIGN.split())
def test_every_line_of_the_design_stands_in_server_properties(settings: Broker, line: str) -> None:
    assert line in settings.properties().splitlines()


def test_it_listens_on_the_loopback_only(settings: Broker) -> None:
    lines = [line for line in settings.properties().splitlines() if "://" in line]
    assert len(lines) == 2
    assert all(address.startswith("127.0.0.1:") for line in lines for address in line.split("://")[1:])


def test_passwords_stand_there_as_references(settings: Broker) -> None:
    reference = f'password="${{dir:{settings.credentials}:kafka-password}}"'
    assert settings.properties().count(reference) == 2


def test_no_key_stands_twice(settings: Broker) -> None:
    keys = [line.partition("=")[0] for line in settings.properties().splitlines() if line]
    assert len(keys) == len(set(keys))


def test_the_jars_stand_one_by_one_in_one_order(settings: Broker) -> None:
    command = settings.command()
    assert command[command.index("-cp") + 1] == f"{settings.libs / 'a.jar'}:{settings.libs / 'b.jar'}"


def test_the_class_archive_is_used_when_it_is_there(settings: Broker) -> None:
    assert not [word for word in settings.command() if "Archive" in word]
    settings.archive.touch()
    assert f"-XX:SharedArchiveFile={settings.archive}" in settings.command()


def test_cluster_ids_are_as_kafka_writes_them() -> None:
    made = {cluster_id() for _ in range(2000)}
    assert len(made) == 2000
    assert {len(one) for one in made} == {22}


def test_no_cluster_id_looks_like_an_option() -> None:
    """Kafka's format would take `-t -x...` for two options and fail: one first boot in 64."""
    assert not [one for one in (cluster_id() for _ in range(2000)) if one.startswith("-")]


@pytest.mark.broker
def test_a_format_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    shipped = new_broker(tmp_path)
    shipped.write_credentials()
    settings, draft = shipped.broker, tmp_path / "data.part"
    code = f"""
from pathlib import Path
from streamforge.gateway.broker import Broker
from streamforge.gateway.broker_format import format_storage
format_storage({settings!r}, {shipped.passwords!r})
""".replace("PosixPath", "Path")
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", shutil.which("python3") or "python3", "-c", code],
                               start_new_session=True)  # fmt: skip
    deadline = time.monotonic() + 30
    while not (draft.exists() and any(draft.iterdir())) and not is_formatted(settings):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    with shipped as running:
        assert running.pid
    assert not draft.exists()


@pytest.mark.broker
@pytest.mark.parametrize("leftover", ["", "bootstrap.checkpoint", "meta.properties"])
def test_whatever_a_cut_left_of_the_draft_does_not_matter(tmp_path: Path, leftover: str) -> None:
    shipped = new_broker(tmp_path)
    (tmp_path / "data").mkdir()  # as tmpfiles makes it
    draft = tmp_path / "data.part"
    draft.mkdir()
    if leftover:
        (draft / leftover).write_bytes(b"\0\0")
    shipped.prepare()
    assert is_formatted(shipped.broker)
    assert not draft.exists()


@pytest.mark.broker
def test_formatting_again_changes_nothing(tmp_path: Path) -> None:
    shipped = new_broker(tmp_path)
    shipped.prepare()
    meta = (tmp_path / "data" / "meta.properties").read_text()
    format_storage(shipped.broker, {"kafka": "another"})
    assert (tmp_path / "data" / "meta.properties").read_text() == meta


@pytest.mark.broker
def test_no_password_is_left_behind(tmp_path: Path) -> None:
    shipped = new_broker(tmp_path)
    shipped.prepare()
    for path in (tmp_path / "work").iterdir():
        assert not [password for password in shipped.passwords.values() if password in path.read_text()]


@pytest.mark.broker
def test_a_touched_jar_disables_the_archive_and_the_line_that_says_so_is_seen(tmp_path: Path) -> None:
    """The check that the class archive is in use rests on this line."""
    shipped = new_broker(tmp_path, set_up_topics=False)
    jars = tmp_path / "libs"
    shutil.copytree(shipped.broker.libs, jars)
    shipped.broker = replace(shipped.broker, libs=jars)
    with shipped as running:
        assert "Unable to use shared archive" in running.log.read_text()
