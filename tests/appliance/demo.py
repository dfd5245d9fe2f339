"""`./build-image.sh demo`: the appliance in a container with a simulated plant; with --check, its own judge."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from tests.appliance.container import IMAGE, REPOSITORY, BootError, Container
from tests.appliance.journal import unexpected
from tests.appliance.whole_plant import ADAPTERS

FIRST_PASSWORD = re.compile(r"First password.*?: *(\S+)")
RECORDS_OUT = re.compile(rb"^streamforge_records_out_total\S* ([0-9.e+]+)", re.MULTILINE)
VALIDATOR = "run/streamforge/streamforge-transform-validator.sock"
RUNNING = REPOSITORY / ".cache/demo.pid"
FLOW_SECONDS, CHECK_SECONDS, SETTLE_SECONDS, REFRESH_SECONDS = 60.0, 60.0, 10.0, 2.0
LEDGER_FIGURES = ("read", "delivered", "waiting", "rejected", "evicted")
PLANT_PROGRAMS = re.compile(rb"streamforge sim |mosquitto ")
MEMORY = re.compile(r"^Name:\t(.*?)$.*?^VmRSS:\s+(\d+) kB$", re.MULTILINE | re.DOTALL)
CLEAR_SCREEN = "\033[H\033[2J"
FAREWELL = "Ctrl-C ends the demo; ./build-image.sh shell opens a shell in it."
PROGRAMS = ("systemd-nspawn", "nsenter", "ip", "setpriv")
MEMORY_MIB = 1500


def missing_on_host(*, before_build: bool = False) -> list[str]:
    """What this host lacks for a demo, in words for people; empty = it can be shown here. The image comes last."""
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    faults = [f"the program {name}" for name in PROGRAMS if not shutil.which(name)]
    if memory_mib < MEMORY_MIB:
        faults.append(f"{MEMORY_MIB} MiB of memory (it has {memory_mib})")
    if os.geteuid() != 0:
        faults.append("root")
    if not before_build and not IMAGE.is_dir():
        faults.append("the image (./build-image.sh)")
    return faults


def first_password(container: Container) -> str:
    """The password that the first boot showed on the console; empty where it showed none."""
    found = FIRST_PASSWORD.search(container.console())
    return found[1] if found else ""


def entrance(container: Container) -> str:
    """How a person gets in: address, user, first password."""
    return f"page https://{container.address}/   user admin   first password {first_password(container)}"


def has_clean_records(container: Container) -> bool:
    """Whether the validator has put a record on telemetry.clean, by its own metrics."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(2)
        try:
            asked.connect(f"/proc/{container.leader}/root/{VALIDATOR}")
            asked.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: asked.recv(65536), b""))
        except OSError:
            return False
    return any(float(value) > 0 for value in RECORDS_OUT.findall(answer))


def wait_for_flow(container: Container) -> float:
    """Seconds from the start of the boot until the first clean reading. BootError where none comes."""
    while not has_clean_records(container):
        if time.monotonic() - container.started_at > FLOW_SECONDS:
            raise BootError(f"no reading in telemetry.clean after {FLOW_SECONDS:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - container.started_at


def memory_mib(container: Container) -> dict[str, float]:
    """Resident memory by program, summed over its processes; the simulated plant is no part of the appliance."""
    sums: dict[str, float] = {}
    for process in Path(f"/proc/{container.leader}/root/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            found = MEMORY.search((process / "status").read_text(encoding="utf-8"))
            if found and not PLANT_PROGRAMS.search(command):
                sums[found[1]] = sums.get(found[1], 0.0) + int(found[2]) / 1024
    return sums


def complaints(container: Container) -> dict[str, str]:
    """Unit -> what is wrong, of each that says so itself or whose device is away; the plant is simulated and whole."""
    text = container.run("streamforge", "status", "--json", "--seconds", "0").stdout
    found = {}
    for view in json.loads(text or '{"units": []}')["units"]:
        away = [device["key"] for device in view["details"].get("devices", ()) if device["state"] != "ONLINE"]
        if view["state"] != "HEALTHY" or away:
            found[view["unit"]] = " ".join([view["state"], view["status"], *away])
    return found


def lasting_complaints(container: Container) -> dict[str, str]:
    """The complaints that do not go away by themselves within a few seconds (a busy host makes units lag)."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := complaints(container)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def judge(container: Container, first_reading_seconds: float) -> tuple[dict[str, object], list[str]]:
    """The figures of a run as the JSON line has them, and what is wrong, in words."""
    ledger = json.loads(container.run("streamforge", "ledger", "--json").stdout or "{}")
    failed = {unit.removesuffix(".service"): "failed" for unit in container.failed_units()}
    unwell = failed | lasting_complaints(container)
    lines = unexpected(container.journal("--priority=warning"))
    memory = memory_mib(container)
    read = {row["adapter_id"] for row in ledger.get("rows", ()) if row["read"]}
    figures: dict[str, object] = {name: ledger.get(name) for name in LEDGER_FIGURES}
    figures |= {
        "adapters": len(read),
        "balanced": ledger.get("balanced") is True,
        "units_failed": len(unwell),
        "unexpected_journal_lines": len(lines),
        "boot_to_first_reading_s": round(first_reading_seconds, 1),
        "kafka_rss_mb": round(memory.get("java", 0.0)),
        "appliance_rss_mb": round(sum(memory.values())),
    }
    faults = [f"{unit}: {what}" for unit, what in unwell.items()] + [f"journal: {line}" for line in lines]
    if not figures["balanced"]:
        faults.append(f"the ledger does not balance: {json.dumps(ledger)}")
    return figures, faults


def check(container: Container, seconds: float, *, has_faults: bool = False) -> int:
    """Run for a while, print the table and the JSON line; 0 where nothing is wrong (with faults: the ledger alone)."""
    first_reading_seconds = wait_for_flow(container)
    print(f"first reading {first_reading_seconds:.1f} s after the start; running for {seconds:.0f} s", flush=True)
    time.sleep(seconds)
    print(container.run("streamforge", "status").stdout)
    print(container.run("streamforge", "ledger").stdout)
    figures, faults = judge(container, first_reading_seconds)
    if has_faults and figures["balanced"]:
        faults = []
    if figures["adapters"] != len(ADAPTERS):
        faults.append(f"{figures['adapters']} of {len(ADAPTERS)} adapters have read")
    for name, value in figures.items():
        print(f"{name:<26}{value}")
    for fault in faults:
        print(fault)
    print(json.dumps(figures), flush=True)
    return 1 if faults else 0


def show(container: Container, until: float) -> int:
    """One screen again and again, until the time is over or Ctrl-C."""
    heading = entrance(container)
    wait_for_flow(container)
    while time.monotonic() < until:
        screen = container.run("streamforge", "status").stdout
        clear = CLEAR_SCREEN if sys.stdout.isatty() else ""
        print(f"{clear}{heading}\n\n{screen}\n{FAREWELL}", flush=True)
        time.sleep(REFRESH_SECONDS)
    return 0


def on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """What happens at Ctrl-C, at kill(1), and when the terminal goes away; what nohup(1) ignores stays ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def run(container: Container, given: argparse.Namespace) -> int:
    """Show or check the booted appliance; the exit code."""
    RUNNING.write_text(str(container.leader), encoding="ascii")
    print(entrance(container), flush=True)
    seconds = given.minutes * 60 if given.minutes else None
    if given.check:
        return check(container, seconds or CHECK_SECONDS, has_faults=given.faults)
    return show(container, time.monotonic() + seconds if seconds else float("inf"))


def main() -> int:
    """Boot, show or check, and leave nothing behind."""
    words = argparse.ArgumentParser(prog="build-image.sh demo")
    words.add_argument("--check", action="store_true", help="judge a run; the last line is JSON")
    words.add_argument("--minutes", type=float, help="end after that time (default: --check 1, else never)")
    words.add_argument("--faults", action="store_true", help="the plant has faults; nothing but the ledger is judged")
    words.add_argument("--live", action="store_true", help="run the checkout's package instead of the image's")
    words.add_argument("--probe", action="store_true", help="only say what this host lacks, before the build")
    given = words.parse_args()
    if faults := missing_on_host(before_build=given.probe):
        print(f"The demo cannot run on this host, which lacks: {', '.join(faults)}", file=sys.stderr)
        return 2
    if given.probe:
        return 0
    on_signals(signal.default_int_handler)
    try:
        with Container(is_whole=True, has_faults=given.faults, live=given.live) as container:
            try:
                return run(container, given)
            finally:
                on_signals(signal.SIG_IGN)  # a second Ctrl-C would leave half of it behind
    except BootError as error:
        print(f"The appliance did not come up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        Path(RUNNING).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
