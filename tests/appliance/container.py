"""The container image, booted with systemd-nspawn: the real appliance with its own network, and a folder for /var.

/usr is read-only as on a disk; what else is written lands in memory or in the folder, and goes with the container.
Needs root; needs neither systemd nor machined on the host.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.appliance.whole_plant import FACTORY, MODBUS, PLANT, WholePlant

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE = REPOSITORY / "mkosi.output/container"
PACKAGE = Path("usr/lib/streamforge/venv/lib/python3.13/site-packages/streamforge")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
INSIDE = {"PATH": "/usr/sbin:/usr/bin", "TERM": os.environ.get("TERM", "dumb"), "LANG": "C.UTF-8", "SYSTEMD_PAGER": ""}
_numbers = itertools.count()


class BootError(Exception):
    """The container did not come up; the text is the end of its console."""


def free_network() -> ipaddress.IPv4Network:
    """A /30 in 10.213.0.0/16 that no interface of this host uses yet."""
    used = {
        entry["local"]
        for link in json.loads(subprocess.check_output(["ip", "-json", "-4", "address"]))
        for entry in link.get("addr_info", [])
    }
    for network in ipaddress.ip_network("10.213.0.0/16").subnets(new_prefix=30):
        if isinstance(network, ipaddress.IPv4Network) and str(network[1]) not in used:
            return network
    raise BootError("10.213.0.0/16 is full of other containers")


class Container:
    """One appliance. A context manager: `start` on entering, `stop` on leaving, whatever happened between.

    `plant`: the simulated plant runs in it and its configuration is the factory's; `is_whole`: all of it, with every
    protocol, else its Modbus TCP server alone. `live`: `package`, the checkout's
    unless told otherwise, replaces the image's, so that an edit needs only a restart of the unit.
    """

    def __init__(
        self,
        *,
        plant: bool = True,
        is_whole: bool = False,
        has_faults: bool = False,
        live: bool = False,
        package: Path = REPOSITORY / "streamforge",
        image: Path = IMAGE,
    ) -> None:
        self.image = image
        self.name = f"sf{os.getpid()}{next(_numbers) or ''}"[-11:]
        self.network = free_network()
        self.host_address, self.address = str(self.network[1]), str(self.network[2])
        self.started_at = 0.0
        self._folder = Path(tempfile.mkdtemp(prefix="streamforge-", dir="/var/tmp"))
        self._console = self._folder / "console.log"
        self._plant, self._package = plant, package if live else None
        # the same at each start, secrets included
        self._whole = WholePlant(has_faults=has_faults).words(image, self._folder) if is_whole else []
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _words(self) -> list[str]:
        usr = self.image / "usr"
        words = [
            "setpriv", "--pdeathsig", "TERM",
            "systemd-nspawn", "--quiet", "--boot", "--directory", str(self.image), "--machine", self.name,
            "--hostname=streamforge",
            "--volatile=overlay", f"--bind={self._folder / 'var'}:/var", f"--bind-ro={usr}:/usr",
            "--network-veth", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
            f"--set-credential=network.network.10-host0:{self._network_file()}", "--register=no",
        ]  # fmt: skip
        if not Path("/run/systemd/system").is_dir():
            words += ["--keep-unit"]
        if self._whole:
            words += self._whole
        elif self._plant:
            words += [f"--bind-ro={self.image / MODBUS}:/{FACTORY}"]
        if self._package:
            words += [f"--bind-ro={self._package}:/{PACKAGE}"]
        plant = PLANT if self._whole else "streamforge-sim"
        return [*words, "fstab=no", *([f"systemd.wants={plant}.service"] if self._plant else [])]

    def _group(self) -> Path | None:
        """Where no systemd gives each container a cgroup of its own, this one: else two of them would kill, count and
        stop each other's processes, because their units carry the same names. None where the host's does it.
        """
        if Path("/run/systemd/system").is_dir():
            return None
        root = next((one for one in CGROUPS if (one / "cgroup.controllers").exists()), None)
        return root / self.name if root else None

    def _command(self) -> list[str]:
        """What starts it, from within its cgroup."""
        group = self._group()
        if group is None:
            return self._words()
        return ["sh", "-c", 'mkdir -p "$0" && echo $$ >"$0/cgroup.procs"; exec "$@"', str(group), *self._words()]

    def _network_file(self) -> str:
        lines = ["[Match]", "Name=host0", "[Network]", f"Address={self.address}/30", "LinkLocalAddressing=no"]
        return "".join(f"{line}\\n" for line in [*lines, "MulticastDNS=yes"])

    def start(self, timeout_seconds: float = 120.0) -> Self:
        """Boot and wait until systemd has nothing more to do; BootError otherwise."""
        if not (self._folder / "var").exists():
            subprocess.run(["cp", "-a", self.image / "var", self._folder / "var"], check=True)
        self.started_at = time.monotonic()
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, env=environment,
                start_new_session=True,  # Ctrl-C is for us, who then stop it in order
            )  # fmt: skip
        self._wait_for_leader(self.started_at + timeout_seconds)
        self._give_host_address()
        self._wait_until_booted(self.started_at + timeout_seconds)
        return self

    def _wait_for_leader(self, deadline: float) -> None:
        self.leader = 0
        while not self.leader:
            if self._running().poll() is not None or time.monotonic() > deadline:
                raise BootError(self.console()[-2000:])
            time.sleep(0.05)
            self.leader = self._find_leader()

    def _find_leader(self) -> int:
        """The process that is PID 1 inside; 0 while there is none."""
        pid = self._running().pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            own = Path("/proc/self/ns/pid").readlink()
            return next((int(child) for child in children if Path(f"/proc/{child}/ns/pid").readlink() != own), 0)
        except OSError:
            return 0

    def _give_host_address(self) -> None:
        link = f"ve-{self.name}"
        while not Path(f"/sys/class/net/{link}").exists() and self._running().poll() is None:
            time.sleep(0.02)
        subprocess.run(["ip", "address", "replace", f"{self.host_address}/30", "dev", link], check=True)
        subprocess.run(["ip", "link", "set", link, "up"], check=True)

    def _wait_until_booted(self, deadline: float) -> None:
        while True:
            state = self.run("systemctl", "is-system-running").stdout.strip()
            if state in {"running", "degraded"}:
                return
            if self._running().poll() is not None or time.monotonic() > deadline:
                raise BootError(f"{state}: {self.run('systemctl', 'list-jobs').stdout}\n{self.console()[-2000:]}")
            time.sleep(0.2)

    def run(self, *words: str, timeout_seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root; its two outputs come back as text, whatever its exit code."""
        return subprocess.run(
            self.enter(words), check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout_seconds, env=INSIDE,
        )  # fmt: skip

    def enter(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` inside, from the host."""
        return ["nsenter", "--target", str(self.leader), *NAMESPACES, "--", *words]

    def journal(self, *words: str) -> list[dict[str, Any]]:
        """Journal entries of this boot; `words` are options of journalctl(1)."""
        lines = self.run("journalctl", "--boot", "--quiet", "--output=json", *words).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit as `systemctl show` names them."""
        text = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def failed_units(self) -> list[str]:
        """Names of the units that systemd counts as failed."""
        text = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout
        return [line.split()[0] for line in text.splitlines()]

    def console(self) -> str:
        """What appeared on the console, first password included."""
        return self._console.read_text(encoding="utf-8", errors="replace") if self._console.exists() else ""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise BootError("the container was not started")
        return self._process

    def shut_down(self) -> None:
        """Stop it in order and keep its /var, for another `start`."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stop it and remove everything it left."""
        self.shut_down()
        shutil.rmtree(self._folder, ignore_errors=True)
        group = self._group()
        for folder in sorted(group.rglob("*"), reverse=True) if group else ():
            if folder.is_dir():
                folder.rmdir()
        if group and group.exists():
            group.rmdir()
