"""The keys that every sink has: which topics it may be configured for."""

from pathlib import Path

import pytest

from streamforge.config import load
from streamforge.errors import ConfigError
from streamforge.model import DELIVERED, Topic
from streamforge.sinks.base import SinkConfig
from streamforge.sinks.file import FileConfig
from streamforge.sinks.relational import RelationalConfig
from streamforge.sinks.tables import BY_TOPIC

KINDS = {FileConfig: "", RelationalConfig: 'host = "h"\ndatabase = "d"\nuser = "u"\n'}


def configured(directory: Path, kind: type[SinkConfig], topics: str) -> SinkConfig:
    path = directory / "export.toml"
    path.write_text(f"{KINDS[kind]}topics = {topics}\n")
    return load(path, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_delivered_topic_is_known_as_such(tmp_path: Path, kind: type[SinkConfig]) -> None:
    config = configured(tmp_path, kind, str([str(topic) for topic in DELIVERED]).replace("'", '"'))
    assert config.topics == DELIVERED
    assert all(isinstance(topic, Topic) for topic in config.topics)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("topics", "message"),
    [
        ("[]", "at least one"),
        ('["telemetry.clean", "telemetry.1s", "telemetry.clean"]', "telemetry.clean stands there twice"),
        ('["telemetry.clean", "telemetry.raw"]', "no sink reads telemetry.raw; known: telemetry.clean, "),
        ('["audit_trail"]', "no sink reads audit_trail"),
        ('["telemetry.claen"]', 'did you mean "telemetry.clean"?'),
    ],
)
def test_what_no_sink_could_deliver_is_refused(
    tmp_path: Path, kind: type[SinkConfig], topics: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, kind, topics)
    assert message in "\n".join(f"{fault.message} {fault.hint}" for fault in caught.value.faults)


def test_every_delivered_topic_has_a_table() -> None:
    assert set(BY_TOPIC) == set(DELIVERED)
