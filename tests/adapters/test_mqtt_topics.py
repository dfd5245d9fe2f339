"""Topic patterns: what the broker is asked for, which topics fit, what their parts are called."""

import pytest

from streamforge.adapters.mqtt_topics import fill, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "asked", "topic", "parts"),
    [
        ("plant/{asset_id}/{param}", "plant/+/+", "plant/pump 7/flow", {"asset_id": "pump 7", "param": "flow"}),
        ("plant/{asset_id}/{param}", "plant/+/+", "plant/pump/flow/raw", None),
        ("plant/{asset_id}/{param}", "plant/+/+", "plant//flow", None),
        ("plant/+/{param}", "plant/+/+", "plant//flow", {"param": "flow"}),
        ("line-{line}/m{machine}x", "+/+", "line-1/m7x", {"line": "1", "machine": "7"}),
        ("line-{line}/m{machine}x", "+/+", "line-1/m7", None),
        ("plant/{asset_id}/#", "plant/+/#", "plant/pump", {"asset_id": "pump"}),
        ("plant/{asset_id}/#", "plant/+/#", "plant/pump/a/b", {"asset_id": "pump"}),
        ("a.b/{asset_id}", "a.b/+", "axb/pump", None),
        ("#", "#", "anything/at/all", {}),
        ("#", "#", "$SYS/broker/uptime", None),
        ("+/state", "+/state", "$SYS/state", None),
        ("{asset_id}/state", "+/state", "$SYS/state", None),
        ("plant", "plant", "plant/", None),
    ],
)
def test_a_topic_fits_or_not(pattern: str, asked: str, topic: str, parts: dict[str, str] | None) -> None:
    made = parse_pattern(pattern)
    assert made.filter == asked
    assert made.match(topic) == parts


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "1 to 65535 bytes"),
        ("plant/\0", "no zero byte"),
        ("a/" * 40_000, "1 to 65535 bytes"),
        ("plant/#/x", '"#" is not understood'),
        ("plant/x+/y", "a level is text"),
        ("plant/{asset_id", "a level is text"),
        ("plant/{Asset}/x", "small letters"),
        ("plant/{a}/{a}", "each name once"),
        ("$share/group/plant/#", "only some of the messages"),
    ],
)
def test_a_pattern_that_is_none_says_why(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match="topic") as caught:
        parse_pattern(pattern)
    assert words in str(caught.value)


def test_a_template_is_filled_and_does_not_end_in_a_slash() -> None:
    assert fill("{group}/{node}/{device}", {"group": "G", "node": "N", "device": ""}) == "G/N"
    assert fill("line_1", {}) == "line_1"
