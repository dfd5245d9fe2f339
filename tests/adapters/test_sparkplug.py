"""Sparkplug B: what births, data and deaths of edge nodes say, with the quirks that nodes in the field have."""

import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

from streamforge.adapters import sparkplug_file
from streamforge.adapters.mqtt_config import SparkplugRow
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.sparkplug import Sparkplug, Told
from streamforge.adapters.sparkplug_wire import decode, rebirth
from streamforge.adapters.tags import Classification, TagRow
from streamforge.model import Kind, Quality
from streamforge.sim.sparkplug import M, data_set, number, payload, text, value_field

T_US = 1_767_323_045_000_000
NODE = "spBv1.0/G/{}/N"
DEVICE = "spBv1.0/G/{}/N/D"


def listener(**keys: object) -> Sparkplug:
    return Sparkplug(SparkplugRow(groups=("G",), **keys), "adapter")  # type: ignore[arg-type] # as the test says


def node_birth(bdseq: int = 0, *metrics: M, seq: int = 0, bdseq_type: int = 8) -> bytes:
    return payload(
        M("bdSeq", "long", bdseq, type=bdseq_type), M("Node Control/Rebirth", "bool", 0, 11), *metrics, seq=seq
    )


def device_birth(seq: int = 1) -> bytes:
    unit = {"engUnit": (12, value_field("string", "celsius", shift=7))}
    return payload(
        M("Motor/Temp", "double", 21.5, type=10, alias=1, properties=unit),
        M("Motor/On", "bool", 1, type=11, alias=2),
        M("Count", "long", 5, type=4, alias=3),
        seq=seq,
    )


def born(**keys: object) -> Sparkplug:
    """A node with one device."""
    made = listener(**keys)
    made.read(NODE.format("NBIRTH"), node_birth(), T_US)
    made.read(DEVICE.format("DBIRTH"), device_birth(), T_US)
    return made


def data(made: Sparkplug, *metrics: M, seq: int = 2, topic: str = DEVICE.format("DDATA")) -> Told:
    told = made.read(topic, payload(*metrics, seq=seq), T_US)
    assert told is not None
    return told


def shown(told: Told | None) -> list[tuple[str, str, object, str]]:
    assert told is not None
    return [(one.asset_id, one.parameter, one.value, one.reason) for one in told.samples]


def test_a_birth_is_readings_and_what_belongs_to_the_protocol_is_none() -> None:
    made = listener()
    first = made.read(NODE.format("NBIRTH"), node_birth(0, M("Load", "float", 0.5, type=9)), T_US)
    assert shown(first) == [("G/N", "Load", 0.5, "")]
    told = made.read(DEVICE.format("DBIRTH"), device_birth(), T_US)
    assert told is not None
    assert shown(told) == [
        ("G/N/D", "Motor/Temp", 21.5, ""), ("G/N/D", "Motor/On", True, ""), ("G/N/D", "Count", 5, ""),
    ]  # fmt: skip
    assert [(one.unit, one.kind, one.time_us) for one in told.samples] == [
        ("celsius", Kind.DOUBLE, T_US), ("", Kind.BOOLEAN, T_US), ("", Kind.LONG, T_US),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "metric",
    [
        M(alias=1, value=22.5, type=10),
        M(alias=1, value=22.5),
        M("Motor/Temp", value=22.5, type=10),
        M("Motor/Temp", value=22.5),
        M("Motor/Temp", alias=1, value=22.5),
        M(alias=1, kind="float", value=22.5),
    ],
    ids=["alias", "alias without a type", "name", "name without a type", "both", "a float for a double"],
)
def test_data_carry_an_alias_or_a_name_with_a_type_or_without(metric: M) -> None:
    told = data(born(), metric)
    assert shown(told) == [("G/N/D", "Motor/Temp", 22.5, "")]
    assert told.samples[0].unit == "celsius"
    assert told.unread == ""


def test_a_metric_has_its_own_time_or_its_messages_or_none() -> None:
    made = born()
    assert data(made, M(alias=1, value=1.0, time_ms=7)).samples[0].time_us == 7000
    told = made.read(DEVICE.format("DDATA"), payload(M(alias=1, value=1.0), seq=3, time_ms=None), T_US)
    assert told is not None
    assert (told.samples[0].quality, told.samples[0].reason) == (Quality.UNCERTAIN, "no_device_time")


@pytest.mark.parametrize(
    ("datatype", "kind", "raw", "expected"),
    [
        (1, "int", 0xFFFFFFFF, -1), (1, "int", 0xFF, -1), (2, "int", 0x8000, -32768), (3, "int", 0xFFFFFFFE, -2),
        (4, "long", -5, -5), (5, "int", 255, 255), (6, "int", 65535, 65535), (7, "int", 0xFFFFFFFF, 4294967295),
        (7, "long", 4294967295, 4294967295), (8, "long", -1, 18446744073709551615), (9, "float", 0.5, 0.5),
        (10, "double", 1e300, 1e300), (11, "bool", 1, True), (12, "string", "ä", "ä"),
        (13, "long", 1767323045000, 1767323045000),
        (14, "string", "text", "text"), (15, "string", "6f", "6f"), (17, "bytes", b"\x00\xff", "AP8="),
        (22, "bytes", b"\xff\x01", "[-1,1]"), (30, "bytes", b"\x00\x00\x00\x3f", "[0.5]"),
        (32, "bytes", b"\x09\x00\x00\x00\x80\x80", "[true,false,false,false,false,false,false,false,true]"),
        (33, "bytes", b"a\x00bc\x00", '["a","bc"]'),
    ],
)  # fmt: skip
def test_every_data_type(datatype: int, kind: str, raw: object, expected: object) -> None:
    told = data(listener(), M("x", kind, raw, type=datatype))
    assert shown(told) == [("G/N/D", "x", expected, "")]
    assert isinstance(told.samples[0].value, type(expected))


def test_a_data_set_and_a_template_are_json() -> None:
    rows = [[value_field("double", 1.5, shift=9), value_field("string", "a", shift=9)]]
    table = data_set(["v", "s"], [10, 12], rows)
    inner = text(2, M("inner", "int", 0xFFFF, type=2).encode())
    template = text(2, M("speed", "int", 3, type=3).encode()) + text(2, M("part", "template", inner, type=19).encode())
    told = data(listener(), M("table", "dataset", table, type=16), M("udt", "template", template, type=19))
    assert [json.loads(str(one.value)) for one in told.samples] == [
        [{"v": 1.5, "s": "a"}], {"speed": 3, "part": {"inner": -1}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "quality", "reason"),
    [(192, Quality.GOOD, ""), (500, Quality.UNCERTAIN, "stale"), (64, Quality.UNCERTAIN, "source_uncertain"),
     (0, Quality.BAD, "source_bad")],
)  # fmt: skip
def test_the_quality_property(code: int, quality: Quality, reason: str) -> None:
    metric = M(alias=1, value=1.0, properties={"Quality": (3, value_field("int", code, shift=7))})
    told = data(born(), metric)
    assert (told.samples[0].quality, told.samples[0].reason) == (quality, reason)


def test_null_is_bad_and_so_is_what_is_no_number() -> None:
    told = data(born(), M(alias=1, null=True), M(alias=1, value=float("nan")))
    assert [(one.value, one.quality, one.reason) for one in told.samples] == [
        (None, Quality.BAD, "null"), (None, Quality.BAD, "not_a_number"),
    ]  # fmt: skip


def test_what_a_node_tells_afterwards_is_history_with_its_own_time() -> None:
    told = data(born(), M(alias=1, value=1.0, time_ms=5, historical=True), M(alias=1, value=2.0))
    assert [(one.value, one.time_us) for one in told.history] == [(1.0, 5000)]
    assert [one.value for one in told.samples] == [2.0]


def test_a_hole_in_the_sequence_is_one_event_with_its_count() -> None:
    made = born()
    told = data(made, M(alias=1, value=1.0), seq=5)
    (event,) = told.events
    assert (event.type, event.asset_id, event.details["missing"]) == ("data_gap", "G/N", "3")
    assert event.message == "G/N: 3 messages are missing before number 5"
    assert shown(told) == [("G/N/D", "Motor/Temp", 1.0, "")], "what came is believed"
    assert data(made, M(alias=1, value=1.0), seq=6).events == []


def test_the_sequence_begins_again_after_255() -> None:
    made = born()
    made.nodes["G", "N"].seq = 254
    assert data(made, M(alias=1, value=1.0), seq=255).events == []
    assert data(made, M(alias=1, value=1.0), seq=0).events == []


@pytest.mark.parametrize("seq", [0, None], ids=["always the same", "none"])
def test_a_node_that_does_not_count_has_no_holes(seq: int | None) -> None:
    made = listener()
    made.read(NODE.format("NBIRTH"), node_birth(0, M("Load", value=0.5, type=10)), T_US)
    for value in (1.0, 2.0, 3.0):
        told = made.read(NODE.format("NDATA"), payload(M("Load", value=value), seq=seq), T_US)
        assert told is not None
        assert (told.events, [one.value for one in told.samples]) == ([], [value])


def test_a_message_that_comes_twice_is_one() -> None:
    made = born()
    assert len(data(made, M(alias=1, value=1.0), seq=2).samples) == 1
    assert data(made, M(alias=1, value=1.0), seq=2) == Told()
    assert made.details()["messages_repeated"] == 1


def test_a_devices_death_is_bad_once() -> None:
    made = born()
    told = made.read(DEVICE.format("DDEATH"), payload(seq=2), T_US)
    assert told is not None
    (batch,) = told.silent
    assert batch.asset_id == "G/N/D"
    assert batch.names.parameters == ("Motor/Temp", "Motor/On", "Count")
    assert set(batch.reasons.values()) == {"node_offline"}
    assert set(batch.qualities) == {Quality.BAD}
    again = made.read(DEVICE.format("DDEATH"), payload(seq=3), T_US)
    assert again is not None
    assert again.silent == []


def death(made: Sparkplug, bdseq: int | None, bdseq_type: int = 8) -> list[str]:
    metrics = [] if bdseq is None else [M("bdSeq", "long", bdseq, type=bdseq_type)]
    told = made.read(NODE.format("NDEATH"), payload(*metrics), T_US)
    assert told is not None
    return [batch.asset_id for batch in told.silent]


def test_a_nodes_death_is_that_of_its_devices() -> None:
    made = listener()
    made.read(NODE.format("NBIRTH"), node_birth(0, M("Load", "float", 0.5, type=9)), T_US)
    made.read(DEVICE.format("DBIRTH"), device_birth(), T_US)
    assert death(made, 0) == ["G/N", "G/N/D"]
    assert death(made, 0) == []


def test_a_death_that_counts_apart_from_its_birth_is_believed() -> None:
    """Some nodes send 0 at the birth and 1 at the death."""
    assert death(born(), 1) == ["G/N/D"]


def test_a_death_without_a_number_is_believed() -> None:
    assert death(born(), None) == ["G/N/D"]


@pytest.mark.parametrize("types", [(8, 8), (4, 4), (4, 8)])
def test_a_death_of_a_connection_before_the_last_birth_is_none(types: tuple[int, int]) -> None:
    made = listener()
    made.read(NODE.format("NBIRTH"), node_birth(4, bdseq_type=types[0]), T_US)
    made.read(NODE.format("NBIRTH"), node_birth(5, bdseq_type=types[1]), T_US)
    made.read(DEVICE.format("DBIRTH"), device_birth(), T_US)
    assert death(made, 4, types[1]) == []
    assert death(made, 5, types[1]) == ["G/N/D"]


def test_data_that_are_not_understood_wait_for_the_birth() -> None:
    made = listener()
    first, second = data(made, M(alias=7, value=1.0), seq=5), data(made, M(alias=7, value=1.5), seq=6)
    assert first.unread == "waiting for the birth of G/N/D: an alias or a type is not known"
    assert second.unread == "", "one dead letter is enough"
    assert made.remarks() == ["waiting for the birth of G/N/D"]
    assert made.details()["waiting_for_birth"] == {"G/N/D": 2}
    made.read(DEVICE.format("DBIRTH"), device_birth(7), T_US)
    assert made.remarks() == []
    assert shown(data(made, M(alias=1, value=1.0), seq=8)) == [("G/N/D", "Motor/Temp", 1.0, "")]


def test_an_alias_means_nothing_after_the_death() -> None:
    made = born()
    death(made, 0)
    assert data(made, M(alias=1, value=1.0)).unread


def test_a_value_of_another_type_says_that_the_table_is_of_another_birth() -> None:
    """A birth that we missed gave the aliases to others: what is known must not name what now comes."""
    made = born()
    told = data(made, M(alias=1, value=1.0), M(alias=2, kind="string", value="x"), M("Own", value=2.0, type=10))
    assert shown(told) == [("G/N/D", "Own", 2.0, "")]
    assert told.unread
    assert data(made, M(alias=1, value=1.0), seq=3).samples == []


def test_a_birth_voids_what_was_known() -> None:
    made = born()
    made.read(NODE.format("NBIRTH"), node_birth(1), T_US)
    assert data(made, M(alias=1, value=1.0), seq=1).unread


def test_what_is_known_outlives_a_restart(tmp_path: Path) -> None:
    made = born()
    sparkplug_file.save(tmp_path, made.nodes)
    again = Sparkplug(SparkplugRow(groups=("G",)), "adapter", sparkplug_file.load(tmp_path))
    told = data(again, M(alias=1, value=22.5), seq=99)
    assert shown(told) == [("G/N/D", "Motor/Temp", 22.5, "")]
    assert told.samples[0].unit == "celsius"
    assert told.events == [], "what went by while nobody listened is not counted"
    assert death(again, 0) == ["G/N/D"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"group": "G"}]', '{"a": 1}', "null"])
def test_a_file_that_is_damaged_is_forgotten(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sparkplug.json").write_text(content)
    assert sparkplug_file.load(tmp_path) == {}
    assert [record.getMessage() for record in caplog.records] == ["births_forgotten"]


def test_tags_scale_and_rule_by_the_metrics_name() -> None:
    tag = TagRow(param="Motor/Temp", scale=0.1, classification=Classification.EVENT)
    made = born(tags=(tag,))
    told = data(made, M(alias=1, value=234.0))
    assert shown(told) == [("G/N/D", "Motor/Temp", 23.4, "")]
    assert told.samples[0].unit == "celsius"
    assert made.rules_of("G/N/D", "Motor/Temp") is not None
    assert made.rules_of("elsewhere", "Motor/Temp") is None


def test_an_asset_is_named_as_the_configuration_says() -> None:
    made = born(asset_id="{device}")
    assert data(made, M(alias=1, value=1.0)).samples[0].asset_id == "D"
    told = data(made, M("Load", value=1.0, type=10), seq=3, topic=NODE.format("NDATA"))
    assert told.samples[0].asset_id == "G/N", "a template that is empty of a node's own metrics names the node"


@pytest.mark.parametrize(
    "topic", ["spBv1.0/STATE/host", "spBv1.0/G/NCMD/N", "spBv1.0/G/DDATA/N", "spBv1.0/G/NDATA/N/D"]
)
def test_other_messages_are_none_of_ours(topic: str) -> None:
    assert listener().read(topic, b"", T_US) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff", b"\x12\x05\x0a", b"\x12\x02\x0a\x05", text(2, text(1, b"\xff\xfe")), b"\x0b", b"\x0d\x01",
        b"\x18" + b"\xff" * 11, text(1, "time"), number(2, 5), text(2, number(1, 5)), text(2, number(13, 1)),
        text(2, b"\x65\x01"), text(2, text(1, "x") + number(4, 99) + text(16, b"abc")),
        text(2, text(1, "x") + number(4, 16) + text(17, text(4, text(1, b"\x1a\x02ab")))),
    ],
)  # fmt: skip
def test_bytes_that_are_no_payload_are_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        listener().read(DEVICE.format("DDATA"), raw, T_US)


def test_nothing_that_bytes_say_ends_the_process() -> None:
    """Mutations of good messages: readings or a refusal, each time."""
    rng = random.Random(7)
    table = data_set(["v"], [9], [[value_field("float", 1.5, shift=9)]])
    udt = text(2, M("speed", "float", 3.0, type=9).encode())
    whole = [
        device_birth(),
        node_birth(3),
        payload(M(alias=1, value=1.0), M("s", "dataset", table, type=16), seq=2),
        payload(M("udt", "template", udt, type=19), M("a", "bytes", b"\x01\x02\x03\x04", type=24), seq=3),
    ]
    made = born()
    for _ in range(5_000):
        raw = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        raw = raw[: rng.randint(0, len(raw))] if rng.random() < 0.2 else raw
        topic = rng.choice(
            [NODE.format("NBIRTH"), DEVICE.format("DBIRTH"), DEVICE.format("DDATA"), NODE.format("NDEATH")]
        )
        with suppress(Unreadable):
            made.read(topic, bytes(raw), T_US)


def test_a_birth_is_asked_for_at_most_once_a_minute_then_more_rarely() -> None:
    made = listener()
    data(made, M(alias=7, value=1.0))
    ask = made.rebirths.due
    assert ask(100.0) == [("G", "N")]
    assert ask(159.0) == []
    assert ask(160.0) == [("G", "N")]
    assert ask(279.0) == []
    assert ask(280.0) == [("G", "N")]
    made.read(NODE.format("NBIRTH"), node_birth(), T_US)
    assert ask(10_000.0) == []


def test_the_command_is_the_specifications() -> None:
    asked = decode(rebirth(1_767_323_045_000))
    assert asked.time_ms == 1_767_323_045_000
    (metric,) = asked.metrics
    assert (metric.name, metric.datatype, metric.raw) == ("Node Control/Rebirth", 11, 1)
    assert rebirth(5) == payload(M("Node Control/Rebirth", "bool", 1, type=11), time_ms=5)
