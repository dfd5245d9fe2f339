"""Priorities of the JVM's lines in the journal."""

import pytest

from streamforge.gateway.jvm_log import prioritised


@pytest.mark.parametrize(
    ("line", "priority"),
    [
        ("INFO kafka.server.KafkaRaftServer - [KafkaRaftServer nodeId=1] Kafka Server started\n", 6),
        ("WARN kafka.log.LogManager - something\n", 4),
        ("ERROR kafka.server.KafkaRaftServer - fatal\n", 3),
        ("[0.012s][warning][cds,dynamic] Unable to use shared archive\n", 4),
        ("OpenJDK 64-Bit Server VM warning: something\n", 4),
        ("WARN kafka.QuorumController - [QuorumController id=1] Performing controller activation.\n", 6),
        ("WARN kafka.QuorumController - [id=1] Performing controller activation. Aborting in-progress\n", 4),
        ("WARN org.apache.kafka.clients.X - Attempting to close NetworkClient that has already been closed.", 6),
    ],
)  # fmt: skip
def test_a_line_has_its_levels_priority(line: str, priority: int) -> None:
    assert list(prioritised([line])) == [f"<{priority}>{line.rstrip()}"]


def test_a_stack_trace_has_the_priority_of_its_first_line() -> None:
    lines = ["ERROR kafka.Kafka - died\n", "java.io.IOException: no space\n", "\tat kafka.log.X\n", "INFO a.B - on\n"]
    assert [line[:3] for line in prioritised(lines)] == ["<3>", "<3>", "<3>", "<6>"]
