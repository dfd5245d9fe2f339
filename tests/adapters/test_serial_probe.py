"""The serial ports of a machine as a probe lists them."""

import argparse
import asyncio
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from streamforge.adapters import serial_probe
from streamforge.adapters.probing import Finding


def port(device: str, product: str | None = None, hwid: str = "USB VID:PID=0403:6001") -> ListPortInfo:
    info = ListPortInfo(device)
    info.hwid, info.product, info.manufacturer = hwid, product, "FTDI" if product else None
    return info


def found(monkeypatch: pytest.MonkeyPatch, by_id: Path, *ports: ListPortInfo) -> Finding:
    monkeypatch.setattr(serial_probe, "comports", lambda: list(ports))
    parser = argparse.ArgumentParser()
    serial_probe.add_arguments(parser)
    given = parser.parse_args([])
    given.by_id = by_id
    return asyncio.run(serial_probe.probe(given))


def test_a_port_is_named_as_it_outlives_a_replug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    device = tmp_path / "ttyUSB0"
    device.touch()
    (by_id / "usb-FTDI_RS485-if00").symlink_to(device)
    finding = found(monkeypatch, by_id, port(str(device), "RS485"), port("/dev/ttyAMA0", hwid="3f201000.serial"))
    assert [row[:4] for row in finding.tables[0].rows] == [
        ("/dev/ttyAMA0", "/dev/ttyAMA0", "", "n/a"),
        (f"{by_id}/usb-FTDI_RS485-if00", str(device), "FTDI", "RS485"),
    ]
    assert finding.toml.splitlines()[1] == f'port = "{by_id}/usb-FTDI_RS485-if00"'


def test_ports_without_hardware_are_left_out_and_that_there_is_none_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    finding = found(monkeypatch, tmp_path / "none", port("/dev/ttyS0", hwid="n/a"))
    assert finding.summary.startswith("no serial port")
    assert (finding.tables, finding.toml) == ((), "")
