"""Lines of the journal in the page's words."""

import json

from streamforge.web.journal import Line, parse


def entry(**fields: object) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1790000000000000", "PRIORITY": "4", **fields})


def test_our_own_lines_become_words() -> None:
    message = json.dumps({"event": "device_silent", "asset_id": "boiler-1", "reason": "no answer", "trace": "..."})
    line = parse(entry(_SYSTEMD_UNIT="streamforge-adapter-modbus-tcp@plant.service", MESSAGE=message))
    assert line == Line(
        time_us=1_790_000_000_000_000,
        unit="streamforge-adapter-modbus-tcp@plant",
        priority=4,
        text="device silent asset_id=boiler-1 reason=no answer",
    )


def test_what_systemd_says_of_a_unit_is_shown_under_that_unit() -> None:
    line = parse(entry(_SYSTEMD_UNIT="init.scope", UNIT="kafka.service", MESSAGE="Started."))
    assert line is not None
    assert (line.unit, line.text) == ("kafka", "Started.")


def test_odd_lines_do_not_break_the_page() -> None:
    for message in (None, [72, 105, 255], "", "{not json", '{"event": 5', "x" * 5000):
        line = parse(entry(MESSAGE=message))
        assert line is not None
        assert len(line.text) <= 400
    for text in ("", "{}", "[]", "nonsense", '{"__REALTIME_TIMESTAMP": "x"}'):
        assert parse(text) is None
