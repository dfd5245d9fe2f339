"""The measure of the adapters: each load runs, gives every figure, and the table says what was wanted."""

from pathlib import Path

import pytest

from streamforge.bench.adapter_loads import BUSY, CORE, CPU, RATE, RSS, WIRE, Load, loads
from streamforge.bench.adapters import Row, measure, measured, report, run
from streamforge.errors import Fatal
from streamforge.gateway.throwaway import ThrowAwayBroker

TINY = {load.name: load for load in loads(0.02)}
KINDS = {"modbus-tcp", "modbus-rtu", "opcua", "mqtt", "xbee", "lora"}
SEEN = {CPU: 3.5, WIRE: 1.25, RATE: 20_000.0, CORE: 7.0, RSS: 50.0}


def row(name: str, dropped: int = 0, **figures: float) -> Row:
    return Row(load=TINY[name], figures={**SEEN, **figures}, dropped=dropped)


@pytest.mark.broker
@pytest.mark.parametrize("name", TINY)
def test_a_load_gives_every_figure(name: str, tmp_path: Path, broker: ThrowAwayBroker) -> None:
    found = measure(TINY[name], 0.3, tmp_path, broker, warm_up_seconds=0.0)
    kind = TINY[name].kind
    wanted = {CPU, RATE, CORE, RSS, *([BUSY] if kind == "modbus-rtu" else [] if kind == "modbus-tcp" else [WIRE])}
    assert found.figures.keys() == wanted
    assert all(value > 0 for value in found.figures.values())
    assert found.dropped == 0


@pytest.mark.broker
def test_a_load_without_its_peer_says_so_and_is_no_end_of_all(tmp_path: Path, broker: ThrowAwayBroker) -> None:
    lonely = Load(
        name="lonely", kind="mqtt", what="", item="", toml=TINY["mqtt-5"].toml, peer=("bench", "peer", "mosquitto", "1")
    )
    found = measured(lonely, 0.1, tmp_path, broker)
    assert "not measured: peer ended: streamforge bench: no peer is called 'mosquitto'" in report("here", [found])


def test_every_adapter_has_a_load_and_a_wanted_figure() -> None:
    assert {load.kind for load in loads()} == KINDS
    assert all(load.wanted[RSS][1] in {64.0, 96.0} and len(load.wanted) > 1 for load in loads())


def test_the_table_says_machine_figures_what_was_wanted_and_what_was_missed() -> None:
    text = report("27 November; amd64; load average 1.0", [row("mqtt-5"), row("sparkplug", wire_us=7.25, rss_mb=70.0)])
    heading, _, heads, _, mqtt, sparkplug = text.splitlines()[:6]
    assert heading == "27 November; amd64; load average 1.0"
    assert heads == (
        "| adapter | load | item | CPU us an item | without the log "
        "| items/s | % of a core | % line busy | RSS MB | as wanted |"
    )
    assert mqtt.endswith("| message | 3.5 (<= 45) | 1.2 | 20,000 (>= 15,000) | 7.0 |  | 50.0 (<= 64) | yes |")
    assert sparkplug.endswith("| 3.5 | 7.2 (<= 6) | 20,000 | 7.0 |  | 70.0 (<= 64) | no: rss_mb, wire_us |")


def test_what_had_no_room_stands_beside_the_verdict() -> None:
    assert "yes; 1,200 readings had no room |" in report("", [row("xbee", dropped=1200)])


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["--only", "profibus"])
    assert "modbus-tcp" in capsys.readouterr().err


def test_an_unknown_peer_is_an_error() -> None:
    from streamforge.bench.peer import run as peer

    with pytest.raises(Fatal, match="profibus"):
        peer(["profibus", "1"])
