"""What a probe finds behind an XBee module on a real pty: nodes, what each sent, a configuration that reads them."""

import argparse
import asyncio
import tomllib
from pathlib import Path

import pytest

from streamforge.adapters import xbee_line, xbee_probe
from streamforge.adapters.probing import Finding
from streamforge.adapters.xbee_frames import frame
from streamforge.cli import probe
from streamforge.errors import NotConnected
from tests.adapters.checked import faults_of
from tests.adapters.radio_peers import XbeeModule

PUMP, TANK, VALVE = "0013A20041112233", "0013A20099999999", "0013A20055555555"


def named(node: str, name: bytes) -> bytes:
    """The answer to ND."""
    return bytes.fromhex("1234" + node) + name + b"\0" + bytes.fromhex("FFFE 01 00 C105 101E")


def received(node: str, payload: str) -> bytes:
    return b"\x90" + bytes.fromhex(node) + b"\xff\xfe\x01" + bytes.fromhex(payload)


def explicit(node: str, endpoints: str, payload: str) -> bytes:
    return b"\x91" + bytes.fromhex(node + "fffe" + endpoints + "01" + payload)


SAMPLE = b"\x92" + bytes.fromhex(TANK + "fffe01010001020001" + "01ff")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is silent for so long is quiet; the module answers at once."""
    monkeypatch.setattr(xbee_line, "QUIET_SECONDS", 0.1)


class Plant(XbeeModule):
    """Nodes that send once they are asked for."""

    def __init__(self, mode: int, answers: dict[str, list[bytes]], heard: list[bytes]) -> None:
        super().__init__(mode, answers)
        self._to_send = heard

    def on_heard(self) -> None:
        super().on_heard()
        if "ND" in self.asked:
            heard, self._to_send = self._to_send, []
            self.send(b"".join(frame(body, is_escaped=self.is_escaped) for body in heard))


def given(port: str, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    xbee_probe.add_arguments(parser)
    return parser.parse_args([port, "--seconds", "0.8", *words])


def found(answers: dict[str, list[bytes]], heard: list[bytes], mode: int = 1) -> Finding:
    async def main() -> Finding:
        module = Plant(mode, answers, heard)
        try:
            finding = await xbee_probe.probe(given(module.path))
        finally:
            module.unplug()
        assert set(module.asked) <= {"AP", "ND", "DB"}, "nothing else is asked, and nothing is set"
        return finding

    return asyncio.run(main())


@pytest.mark.parametrize("mode", [1, 2])
def test_it_finds_nodes_that_answer_and_nodes_that_are_heard_and_what_each_sent(mode: int, tmp_path: Path) -> None:
    heard = [received(PUMP, "00070008"), received(PUMP, "41c80000117e7d"), SAMPLE, b"\x90\x01"]
    finding = found({"ND": [named(PUMP, b"PUMP 7")], "DB": [b"\x33"]}, heard, mode)
    assert f"a module in API mode {mode}, 2 nodes within 0.8 s" in finding.summary
    nodes, registers = finding.tables
    assert [dict(zip(nodes.columns, line, strict=True)) for line in nodes.rows] == [
        {
            "address": PUMP, "name": "PUMP 7", "messages": "2", "frames": "0x88 (1), 0x90 (2)", "RSSI": "-",
            "last payload": "41 c8 00 00 11 7e 7d", "pins": "-", "application": "-",
        },
        {
            "address": TANK, "name": "", "messages": "1", "frames": "0x92 (1)", "RSSI": "-51",
            "last payload": "-", "pins": "D0=1 A1=511", "application": "-",
        },
    ]  # fmt: skip
    assert registers.title == f"{PUMP} PUMP 7, last payload, 7 bytes"
    first = dict(zip(registers.columns, registers.rows[0], strict=True))
    assert (first["at"], first["hex"], first["uint16"], first["float32 ABCD"]) == ("HR0", "41c8", "16840", "25")
    assert faults_of(tmp_path, "xbee", finding.toml) == []
    devices = tomllib.loads(finding.toml)["devices"]
    assert [(one["asset_id"], one["node_id"], [row["at"] for row in one["tags"]]) for one in devices] == [
        ("pump_7", PUMP, ["HR0", "HR1", "HR2", "HR3.hi", "RSSI"]),
        (f"node_{TANK.lower()}", TANK, ["D0", "A1", "RSSI"]),
    ]


def test_explicit_frames_say_for_which_application_they_are(tmp_path: Path) -> None:
    heard = [
        explicit(PUMP, "e8e80011c105", "0005"),
        explicit(TANK, "01020022c105", "0006"),
        explicit(VALVE, "0000000600" + "00", "0007"),
    ]
    finding = found({}, heard)
    application = dict(zip((PUMP, VALVE, TANK), (line[-1] for line in finding.tables[0].rows), strict=True))
    assert application[TANK] == "0x01 to 0x02, cluster 0x0022, profile 0xC105"
    assert faults_of(tmp_path, "xbee", finding.toml) == []
    devices = {one["node_id"]: one for one in tomllib.loads(finding.toml)["devices"]}
    assert {node: one.get("cluster") for node, one in devices.items()} == {PUMP: None, TANK: 0x22, VALVE: None}
    assert (devices[TANK]["destination_endpoint"], devices[TANK]["profile"]) == (2, 0xC105)


def test_two_nodes_of_one_name_and_names_of_any_letters_make_a_configuration(tmp_path: Path) -> None:
    names = [named(PUMP, b'P"7\\\x7f'), named(TANK, b'P"7\\\x7f'), named(VALVE, b"--")]
    finding = found({"ND": names}, [])
    assert faults_of(tmp_path, "xbee", finding.toml) == []
    assert [one["asset_id"] for one in tomllib.loads(finding.toml)["devices"]] == ["p_7", "node", "p_7_2"]


def test_a_signal_strength_that_may_be_another_nodes_is_not_shown() -> None:
    """Another message came between the question and its answer."""

    class Late(Plant):
        def on_heard(self) -> None:
            super().on_heard()
            if self.asked[-1] == "DB" and not self.is_dead:
                self.is_dead = True  # it answers no more
                answer = b"\x88\x0aDB\x00\x28"
                self.send(frame(received(TANK, "0002")) + frame(answer))

    async def main() -> Finding:
        module = Late(1, {}, [received(PUMP, "0001")])
        try:
            return await xbee_probe.probe(given(module.path))
        finally:
            module.unplug()

    nodes = asyncio.run(main()).tables[0]
    assert [line[4] for line in nodes.rows] == ["-", "-"]


def test_where_no_node_is_heard_it_says_what_to_look_at() -> None:
    finding = found({}, [])
    assert "no node answers or is heard within 0.8 s: are ID and CH" in finding.summary
    assert finding.toml == ""


def test_where_no_module_answers_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xbee_line, "QUIET_SECONDS", 0.02)

    async def main() -> None:
        module = XbeeModule()
        module.is_dead = True
        with pytest.raises(NotConnected, match="no XBee module in API mode 1 or 2 answers at 38400 baud"):
            await xbee_probe.probe(given(module.path, "--baud-rate", "38400"))
        module.unplug()

    asyncio.run(main())


def test_the_command_prints_tables_or_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(*words: str) -> int:
        module = Plant(1, {}, [received(PUMP, "00070008")])
        code = await asyncio.to_thread(probe.run, ["xbee", module.path, "--seconds", "0.3", *words])
        module.unplug()
        return code

    assert asyncio.run(ask()) == 0
    assert capsys.readouterr().out.splitlines()[2] == "nodes"
    assert asyncio.run(ask("--toml")) == 0
    assert tomllib.loads(capsys.readouterr().out)["devices"][0]["node_id"] == PUMP
    assert "xbee" in probe.protocols()
