"""What goes to the journal."""

import json
import logging

import pytest

from streamforge import logs


def test_a_line_is_a_priority_and_one_json_object(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logs.Log("adapter").warning("peer_away", address="10.0.0.5:502", reason="refused")
    line = capfd.readouterr().err.strip()
    assert line.startswith("<4>{")
    assert json.loads(line[3:]) == {"event": "peer_away", "address": "10.0.0.5:502", "reason": "refused"}


def test_libraries_are_silent_below_critical(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logging.getLogger("pymodbus.client").error("frame dump")
    assert capfd.readouterr().err == ""
