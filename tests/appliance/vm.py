"""The disk image in QEMU without hardware help (TCG): slow, and a real boot through firmware, initrd and verity.

Commands enter through an agent that systemd credentials (SMBIOS type 11) bring along, so the image under test is the
image that ships. The same way comes what a test wants to add.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.appliance.container import REPOSITORY

AGENT = Path(__file__).with_name("vm_agent.py")
FIRMWARE = Path("/usr/share/OVMF")
DISK_BYTES = 8 * 1024**3
AGENT_UNIT = """[Unit]
Description=Agent of the test
DefaultDependencies=no
After=sysinit.target
Wants=modprobe@virtio_console.service
[Service]
ExecStart=/usr/bin/python3 /run/credentials/@system/test.agent /dev/virtio-ports/test.agent
Restart=always
RestartSec=1
"""
PLANT = {
    # The simulated plant's configuration is the factory's; the plant runs beside the units.
    "systemd.unit-dropin.streamforge-instances.service": (
        "[Service]\nBindReadOnlyPaths=/usr/share/streamforge/sim:/usr/share/streamforge/factory\n"
    ),
    "systemd.unit-dropin.streamforge.target": "[Unit]\nWants=streamforge-sim.service\n",
}


def newest_disk() -> Path:
    """The disk image of the profile ipc. FileNotFoundError where it was not built."""
    images = (REPOSITORY / "mkosi.output").glob("streamforge_*_x86-64.raw")
    found = sorted(images, key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError("./build-image.sh --profile ipc")
    return found[-1]


class Vm:
    """One virtual machine with a copy of the disk; a context manager that leaves nothing behind."""

    def __init__(self, disk: Path, *, memory_mib: int = 2048, credentials: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streamforge-vm-", dir="/var/tmp"))
        self.memory_mib = memory_mib
        self.credentials = {
            "systemd.extra-unit.test-agent.service": AGENT_UNIT,
            "systemd.unit-dropin.multi-user.target": "[Unit]\nWants=test-agent.service\n",
            "test.agent": AGENT.read_text(encoding="utf-8"),
            **PLANT,
            **(credentials or {}),
        }
        self.disk = self.folder / "disk.raw"
        subprocess.run(["cp", "--sparse=always", disk, self.disk], check=True)
        subprocess.run(["truncate", f"--size={DISK_BYTES}", self.disk], check=True)
        shutil.copy(FIRMWARE / "OVMF_VARS_4M.fd", self.folder / "vars.fd")
        self.started_at = 0.0
        self._asked = 0
        self._buffer = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._agent: socket.socket | None = None

    def _words(self) -> list[str]:
        words = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-m", str(self.memory_mib), "-smp", "2",
            "-machine", "q35,smm=off", "-accel", "tcg,thread=multi", "-cpu", "max", "-rtc", "base=utc",
            "-chardev", f"file,id=serial,path={self.folder}/serial.log", "-serial", "chardev:serial",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.folder}/agent.sock,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=test.agent", "-device", "virtio-rng-pci",
            "-drive", f"if=none,id=disk,file={self.disk},format=raw,cache=writeback",
            "-device", "virtio-blk-pci,drive=disk,bootindex=1",
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,unit=1,format=raw,file={self.folder}/vars.fd",
        ]  # fmt: skip
        for name, value in self.credentials.items():
            encoded = base64.b64encode(value.encode()).decode()
            words += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={encoded}"]
        return words

    def __enter__(self) -> Self:
        self._power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._power_off()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cut_power(self) -> None:
        """Off and on again: what the guest had not yet given to its disk is gone."""
        self._power_off()
        self._power_on()

    def _power_on(self) -> None:
        self.started_at = time.monotonic()
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(self._words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _power_off(self) -> None:
        if self._agent:
            self._agent.close()
        self._agent, self._buffer = None, b""
        if self._process:
            self._process.kill()
            self._process.wait()

    def serial(self) -> str:
        """What came over the serial line, the appliance's console."""
        return (self.folder / "serial.log").read_text(encoding="utf-8", errors="replace")

    def wait_for_agent(self, timeout_seconds: float) -> float:
        """Seconds from power-on until commands are answered. TimeoutError with the end of the serial line."""
        deadline = self.started_at + timeout_seconds
        while time.monotonic() < deadline:
            try:
                if self._agent is None:
                    self._agent = socket.socket(socket.AF_UNIX)
                    self._agent.connect(str(self.folder / "agent.sock"))
                self.run("true", timeout_seconds=5)
            except TimeoutError:
                continue
            except OSError:
                self._agent = None
                time.sleep(0.2)
            else:
                return time.monotonic() - self.started_at
        raise TimeoutError(self.serial()[-3000:])

    def run(self, command: str, timeout_seconds: float = 120.0) -> str:
        """Both outputs of a shell command inside. TimeoutError where no answer comes."""
        if self._agent is None:
            raise TimeoutError("not connected")
        self._asked += 1
        self._agent.settimeout(timeout_seconds)
        request = {"id": self._asked, "command": command, "timeout_seconds": timeout_seconds}
        self._agent.sendall(json.dumps(request).encode() + b"\n")
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                try:
                    answer = json.loads(line)
                except ValueError:  # half a line from before we were connected
                    continue
                if answer["id"] == self._asked:
                    return str(answer["output"])
            self._buffer += self._agent.recv(65536)
