"""Who a probe hears: a modem on a real pty, gateways on a real UDP socket, a network server's broker (mosquitto)."""

import argparse
import asyncio
import json
import socket
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters import lora_probe, lora_serial
from streamforge.adapters.lora_sight import MOST_SENDERS
from streamforge.adapters.lora_site import Site
from streamforge.adapters.probing import Finding, Table
from streamforge.cli import probe
from streamforge.errors import NotConnected
from streamforge.sim.lorawan import GATEWAY, push_data, uplink
from tests.adapters.checked import faults_of
from tests.adapters.mqtt_bench import away
from tests.adapters.mqtt_peers import Box, Mosquitto, Publisher, mosquitto
from tests.adapters.mutations import FEW, campaign
from tests.adapters.radio_peers import Pty, until
from tests.adapters.test_lora_server import counts, listening, lora
from tests.adapters.test_lora_servers import CHIRPSTACK, TTN, message

UP = "application/1/device/0101010101010101/event/up"


def given(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    lora_probe.add_arguments(parser)
    return parser.parse_args(["--seconds", "0.8", *words])


def shown(table: Table) -> list[dict[str, str]]:
    """Each row by column."""
    return [dict(zip(table.columns, line, strict=True)) for line in table.rows]


class Modem(Pty):
    """Answers every line with OK, and says what was heard once it receives."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        super().__init__()
        self._lines = list(lines)

    def on_heard(self) -> None:
        if self.heard.endswith(b"\n"):
            self.send(b"OK\r\n")
        if b"PRECV" in self.heard or b"radio rx" in self.heard:
            while self._lines:
                self.send(self._lines.pop(0))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_serial, "QUIET_SECONDS", 0.1)


def heard_by(lines: Sequence[bytes], *words: str) -> Finding:
    async def main() -> Finding:
        modem = Modem(lines)
        try:
            return await lora_probe.probe(given("serial", modem.path, *words))
        finally:
            modem.unplug()

    return asyncio.run(main())


def test_a_modems_messages_are_told_apart_by_how_they_begin(tmp_path: Path) -> None:
    lines = [b"+EVT:RXP2P:-60:11:0741C80000\r\n", b"+EVT:RXP2P:-40:9:0741CC0000\r\n", b"+EVT:RXP2P:-90:-3:08000511\r\n"]
    finding = heard_by(lines, "--command", "AT+NWM=0")
    assert finding.summary.endswith("2 devices heard within 0.8 s")
    heard, seven, eight = finding.tables
    assert [
        (one["first byte"], one["messages"], one["best RSSI"], one["SNR"], one["last payload"]) for one in shown(heard)
    ] == [
        ("07", "2", "-40", "9", "07 41 cc 00 00"),
        ("08", "1", "-90", "-3", "08 00 05 11"),
    ]
    assert (seven.title, seven.rows[0][:2]) == ("07", ("HR0", "0741"))
    assert eight.rows[0][:3] == ("HR0", "0800", "2048")
    assert faults_of(tmp_path, "lora", finding.toml) == []
    raw = tomllib.loads(finding.toml)
    assert raw["source"]["commands"] == ["AT+NWM=0"]
    assert [(one["asset_id"], one["header"], [row["at"] for row in one["tags"]]) for one in raw["devices"]] == [
        ("node_07", "07", ["HR0", "HR1", "RSSI", "SNR"]),
        ("node_08", "08", ["HR0", "HR1.hi", "RSSI", "SNR"]),
    ]


def test_one_device_or_first_bytes_that_are_no_headers_make_one_device(tmp_path: Path) -> None:
    for lines in ([b"radio_rx  0102\r\n"], [b"radio_rx  %02X02\r\n" % first for first in range(20)]):
        finding = heard_by(lines, "--modem", "rn2483")
        assert faults_of(tmp_path, "lora", finding.toml) == []
        (device,) = tomllib.loads(finding.toml)["devices"]
        assert "header" not in device
        assert [row["at"] for row in device["tags"]] == ["HR0"]


def test_a_modem_that_hears_nobody_and_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = heard_by([])
    assert "0 devices heard within 0.8 s: are frequency, spreading factor" in finding.summary
    assert finding.toml == ""
    with pytest.raises(NotConnected, match="/dev/nowhere"):
        asyncio.run(lora_probe.probe(given("serial", "/dev/nowhere")))
    with pytest.raises(ValueError, match="lora_port is missing"):
        asyncio.run(lora_probe.probe(given("serial")))


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


JOIN = bytes([0]) + bytes(8) + bytes.fromhex("0004a30b001c0530")[::-1] + b"\x01\x02" + bytes(4)


def called(port: int, *datagrams: bytes, answers: int) -> Finding:
    """What the probe finds on that port while these are sent, of which so many must be answered."""

    async def main() -> Finding:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
            gateway.connect(("127.0.0.1", port))
            gateway.setblocking(False)
            task = asyncio.create_task(lora_probe.probe(given("semtech_udp", f"127.0.0.1:{port}")))
            await asyncio.sleep(0.05)
            for datagram in datagrams:
                gateway.send(datagram)
            for _ in range(answers):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(gateway, 9), 3)
            return await task

    return asyncio.run(main())


OTHER = "ff" * 8
SENT = (
    push_data(uplink(7, b"\0\1\2", 2)),
    push_data(uplink(7, b"\0\1\2", 2), gateway=OTHER),
    push_data(uplink(9, b"\0\1\3", 2), uplink(1, b"\5", 1, dev_addr="01020304")),
    push_data(JOIN, b"\xe0\1\2"),
    b"\x02\xab\xcd\x02" + bytes.fromhex(GATEWAY),
    b"no datagram",
)


def test_gateways_and_the_devices_that_they_hear() -> None:
    """A forwarder that is not answered takes the network for dead."""
    finding = called(free_udp_port(), *SENT, answers=5)
    assert "2 devices heard within 0.8 s" in finding.summary
    gateways, devices, others, joins = finding.tables
    assert [
        (one["gateway"], one["from"], one["datagrams"], one["receptions"], one["best RSSI"]) for one in shown(gateways)
    ] == [
        (GATEWAY, "127.0.0.1", "4", "5", "-57"),
        (OTHER, "127.0.0.1", "1", "1", "-57"),
    ]
    first, second = shown(devices)
    assert (first["dev_addr"], first["messages"], first["counters"], first["port"]) == ("49be7df1", "2", "7 to 9", "2")
    assert first["gateways"] == f"{GATEWAY} (2), {OTHER} (1)"
    assert (second["dev_addr"], second["counters"]) == ("01020304", "1")
    assert {one["what"]: one["times"] for one in shown(others)} == {
        "frames of another kind": "1", "datagrams or frames that are malformed": "1"
    }  # fmt: skip
    assert joins.rows == (("0004a30b001c0530", "1", GATEWAY),)


def test_a_configuration_that_reads_the_devices_of_these_gateways_but_for_their_keys(tmp_path: Path) -> None:
    finding = called(free_udp_port(), *SENT, answers=5)
    assert faults_of(tmp_path, "lora", finding.toml) == []
    raw = tomllib.loads(finding.toml)
    assert raw["source"]["gateways"] == [GATEWAY, OTHER]
    assert [(one["dev_addr"], one["nwk_skey"], [row["at"] for row in one["tags"]]) for one in raw["devices"]] == [
        ("49be7df1", "${secret:49be7df1_nwk}", ["HR0", "HR1.hi", "RSSI", "SNR", "FCNT"]),
        ("01020304", "${secret:01020304_nwk}", ["HR0.hi", "RSSI", "SNR", "FCNT"]),
    ]


def test_where_no_gateway_calls_it_says_so() -> None:
    finding = asyncio.run(lora_probe.probe(given("semtech_udp", f"127.0.0.1:{free_udp_port()}")))
    assert finding.summary.endswith("no gateway calls: point its packet forwarder to this address")
    assert finding.toml == ""


def test_a_flood_of_made_up_gateways_and_devices_is_bounded() -> None:
    site = Site()
    for number in range(3 * MOST_SENDERS):
        site.take(push_data(uplink(1, b"", dev_addr=f"{number:08x}"), gateway=f"{number:016x}"), ("h",))
    assert len(site.gateways) == len(site.devices.by_address) == MOST_SENDERS
    assert site.devices.others == {"datagrams of too many gateways": 2 * MOST_SENDERS}


def test_mutated_datagrams_neither_crash_nor_grow() -> None:
    site = Site()

    def take(datagram: bytes) -> None:
        try:
            site.take(datagram, ("h",))
        except ValueError:
            return

    campaign([push_data(uplink(count, b"\1\2")) for count in range(20)] + [push_data(JOIN)], FEW, take)
    assert site.tables()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def published(broker: Mosquitto, messages: Sequence[tuple[str, bytes]], *words: str) -> Finding:
    """What the probe finds while these are published."""

    async def main() -> Finding:
        task = asyncio.create_task(lora_probe.probe(given(*words, f"mqtt://127.0.0.1:{broker.port}")))
        with await away(lambda: Publisher(broker.port)) as publisher:
            while not task.done():  # the first may come before the broker has the subscription
                await away(lambda: publisher.send_all(messages))
                await asyncio.sleep(0.05)
        return await task

    return asyncio.run(main())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_devices_of_chirpstack_with_what_the_server_decoded(broker: Mosquitto, tmp_path: Path, version: str) -> None:
    messages = [(UP, message(CHIRPSTACK)), (UP, b"{")]
    finding = published(broker, messages, "--mqtt-version", version, "chirpstack")
    heard, decoded, registers, others = finding.tables
    (one,) = shown(heard)
    assert (one["dev_eui"], one["name"], one["counters"]) == ("0101010101010101", "tank 7", "65600")
    assert (one["best RSSI"], one["SNR"], one["port"], one["last payload"]) == ("-36", "10.5", "2", "aa")
    assert one["topics"].startswith(f"{UP} (")
    assert ("OBJECT.TANK.PARTS.1.DEEP", "2") in decoded.rows
    assert (registers.title, registers.rows[0][1]) == ("0101010101010101 tank 7, port 2", "aa00")
    assert others.rows[0][0].startswith(f"{UP}: no JSON")
    assert faults_of(tmp_path, "lora", finding.toml) == []
    raw = tomllib.loads(finding.toml)
    assert (raw["source"], raw["mqtt"]["broker"]) == ({"transport": "chirpstack"}, f"mqtt://127.0.0.1:{broker.port}")
    (device,) = raw["devices"]
    assert (device["asset_id"], device["dev_eui"]) == ("tank_7", "0101010101010101")
    assert {row["at"]: row.get("type") for row in device["tags"]} == {
        "OBJECT.DOOR": "bool", "OBJECT.LEVEL": "float64", "OBJECT.TEXT": "string", "OBJECT.TANK.PARTS.0": "float64",
        "OBJECT.TANK.PARTS.1.DEEP": "float64", "RSSI": None, "SNR": None, "FCNT": None,
    }  # fmt: skip


def test_devices_of_ttn_without_a_decoder_are_read_by_registers_of_each_port(broker: Mosquitto, tmp_path: Path) -> None:
    plain: dict[str, Any] = {key: value for key, value in TTN["uplink_message"].items() if key != "decoded_payload"}
    lpp = {**plain, "f_port": 3, "frm_payload": "AWcBEA=="}
    messages = [("own/dev1/up", message(TTN, uplink_message=one)) for one in (plain, lpp)]
    finding = published(broker, messages, "--topic", "own/+/up", "ttn")
    assert [table.title.partition(" ")[2] for table in finding.tables[1:]] == [
        "dev1, port 1", "dev1, port 3", "dev1, port 3, if it is Cayenne LPP"
    ]  # fmt: skip
    assert finding.tables[-1].rows == (("LPP1.TEMPERATURE", "27.2"),)
    assert faults_of(tmp_path, "lora", finding.toml) == []
    raw = tomllib.loads(finding.toml)
    assert raw["source"] == {"transport": "ttn", "topic": "own/+/up"}
    assert [(row["param"], row["at"], row["fport"]) for row in raw["devices"][0]["tags"] if "fport" in row] == [
        ("port_1_hr0", "HR0", 1), ("port_1_hr1_hi", "HR1.hi", 1), ("port_3_hr0", "HR0", 3), ("port_3_hr1", "HR1", 3)
    ]  # fmt: skip


def test_a_decoded_value_that_is_named_as_one_of_ours_stays_apart(broker: Mosquitto, tmp_path: Path) -> None:
    finding = published(broker, [(UP, message(CHIRPSTACK, object={"rssi": 1, 'a "b"\u007f': True}))], "chirpstack")
    assert faults_of(tmp_path, "lora", finding.toml) == []
    assert [row["param"] for row in tomllib.loads(finding.toml)["devices"][0]["tags"]] == [
        'a "b"\u007f', "object_rssi", "rssi", "snr", "frame_counter"
    ]  # fmt: skip


def test_a_broker_that_refuses_is_said_and_the_password_stays_where_it_is(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "users").write_text("")
    (tmp_path / "password").write_text("hunter2\n")
    with mosquitto(tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'users'}") as broker:
        words = ["--user", "tanks@ttn", "--password-file", str(tmp_path / "password")]
        assert probe.run(["lora", "ttn", f"127.0.0.1:{broker.port}", *words]) == 1
    said = capsys.readouterr().err
    assert "refused: Not authori" in said
    assert "hunter2" not in said


def test_what_the_broker_keeps_for_the_adapter_is_left_alone(broker: Mosquitto, tmp_path: Path) -> None:
    """A probe has a session of its own, in which nothing is acknowledged and nothing is kept."""

    async def first() -> None:
        adapter = lora(broker.port, tmp_path)
        async with listening(adapter, Box()):
            pass
        await adapter.close()

    async def second() -> None:
        adapter, box = lora(broker.port, tmp_path), Box()
        async with listening(adapter, box):
            await until(lambda: counts(box) != [])
        await adapter.close()

    asyncio.run(first())
    published(broker, [(UP, message(CHIRPSTACK))], "chirpstack")
    asyncio.run(second())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serial", "/dev/x", "--seconds", "0"], "--seconds 0 must be above 0"),
        (["serial"], "lora_port is missing"),
        (["semtech_udp", "1700"], "is no address"),
        (["chirpstack"], "write for example mqtt://"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.run(["lora", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_command_prints_tables_or_a_configuration(broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    with Publisher(broker.port) as publisher:
        publisher.send(UP, message(CHIRPSTACK), retain=True)
    words = ["lora", "chirpstack", f"127.0.0.1:{broker.port}", "--seconds", "0.3"]
    assert probe.run(words) == 0
    assert capsys.readouterr().out.splitlines()[2] == "heard"
    assert probe.run([*words, "--toml"]) == 0
    assert json.dumps(tomllib.loads(capsys.readouterr().out)["devices"][0]["dev_eui"]) == '"0101010101010101"'
    assert "lora" in probe.protocols()
