"""`streamforge xbee`: what a person sees of a module and its nodes."""

import asyncio
import tomllib
from collections.abc import Callable

import pytest

from streamforge.adapters.xbee_config import XbeeConfig
from streamforge.adapters.xbee_frames import frame
from streamforge.cli import xbee
from streamforge.config.build import Builder
from streamforge.errors import NotConnected
from tests.adapters.radio_peers import XbeeModule

NODE = "0013A20041112233"
PUMP = bytes.fromhex("1234" + NODE) + b"PUMP 7\0" + bytes.fromhex("FFFE 01 00 C105 101E")
ANSWERS = {"ND": [PUMP], "NI": [b"GATEWAY"], "HV": [b"\x19\x44"]}
HEARD = [
    b"\x90" + bytes.fromhex(NODE) + b"\xff\xfe\x01" + b"\x00\x07\x00\x08",
    b"\x92" + bytes.fromhex("0013A20099999999") + b"\xff\xfe\x01" + b"\x01\x00\x01\x00\x00\x01",
    b"\x90\x01",
]


def printed(capsys: pytest.CaptureFixture[str], words: Callable[[str], list[str]], mode: int = 1) -> tuple[int, str]:
    """Exit code and output of the command on a module whose nodes send while it is asked for nodes."""

    async def main() -> int:
        module = XbeeModule(mode, ANSWERS)
        asked = asyncio.get_running_loop().run_in_executor(None, xbee.run, words(module.path))
        while not asked.done():
            if "ND" in module.asked and "sent" not in module.asked:
                module.asked.append("sent")
                module.send(b"".join(frame(body, is_escaped=module.is_escaped) for body in HEARD))
            await asyncio.sleep(0.01)
        module.unplug()
        return await asked

    return asyncio.run(main()), capsys.readouterr().out


@pytest.mark.parametrize("mode", [1, 2])
def test_nodes_that_answer_and_nodes_that_are_heard(capsys: pytest.CaptureFixture[str], mode: int) -> None:
    code, out = printed(capsys, lambda port: ["nodes", port, "--seconds", "0.3"], mode)
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [
        [NODE, "PUMP", "7", "1", "00", "07", "00", "08"],
        ["0013A20099999999", "1", "D0=1"],
    ]


def test_a_configuration_that_reads_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = printed(capsys, lambda port: ["nodes", port, "--seconds", "0.3", "--toml"])
    builder = Builder("x.toml", {})
    config = builder.table(XbeeConfig, tomllib.loads(out), ())
    assert (code, builder.faults) == (0, [])
    assert [(row.asset_id, [tag.at for tag in row.tags]) for row in config.devices] == [
        ("pump_7", ["HR0", "HR1", "RSSI"]),
        ("node_0013a20099999999", ["D0", "RSSI"]),
    ]


def test_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, lambda port: ["get", port, "hv", "NI", "AP"]) == (0, "HV  1944\nNI  GATEWAY\nAP  01\n")


@pytest.mark.parametrize("command", ["RE", "wr", "ABC"])
def test_what_would_set_or_forget_something_is_not_sent(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        xbee.run(["get", "/dev/null", command])
    assert f"'{command}' is no parameter that can be asked for" in capsys.readouterr().err


def test_what_a_module_does_not_answer_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamforge.adapters import xbee_line, xbee_survey

    monkeypatch.setattr(xbee_survey, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(xbee_line, "QUIET_SECONDS", 0.02)
    with pytest.raises(NotConnected, match="the module does not answer ID"):
        printed(capsys, lambda port: ["get", port, "HV", "ID"])
