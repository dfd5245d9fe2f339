"""`./build-image.sh campaign frames [--frames N] [--only PROTOCOL]`: frames changed at random, a million a protocol.

Each campaign of tests/adapters runs in a process of its own, so that its memory is its own.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.adapters.mutations import COUNT, MANY, SEEN, Milled
from tests.broker import REPOSITORY

# Every test that mills frames, by its protocol.
PROTOCOLS = {
    "modbus-tcp": ("test_mutations.py::test_modbus_tcp",),
    "modbus-rtu": ("test_mutations.py::test_modbus_rtu",),
    "opcua": ("test_mutations.py::test_opcua",),
    "mqtt": ("test_mutations.py::test_mqtt",),
    "sparkplug": ("test_mutations.py::test_sparkplug",),
    "xbee": (
        "test_xbee.py::test_mutated_frames_neither_crash_nor_stick_nor_grow",
        "test_xbee_frames.py::test_mutated_frames_neither_crash_nor_stick_nor_grow",
        "test_xbee_packets.py::test_mutated_frames_are_packets_or_errors",
    ),
    "lora": (
        "test_lora.py::test_mutated_datagrams_neither_crash_nor_stick_nor_grow",
        "test_lorawan.py::test_mutated_frames_are_refused_and_nothing_grows",
        "test_lora_modems.py::test_mutated_lines_neither_crash_nor_stick_nor_grow",
        "test_lora_servers.py::test_mutated_messages_are_uplinks_or_errors",
        "test_semtech_udp.py::test_mutated_datagrams_are_receptions_or_errors",
        "test_cayenne_lpp.py::test_mutated_payloads_are_values_or_errors",
    ),
}
ADAPTERS = "tests/adapters/"
HEADS = (
    "protocol",
    "frames of",
    "frames",
    "crashes",
    "stuck",
    "slowest, ms of CPU",
    "memory before, MiB",
    "after, MiB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one test: `fault` is the end of its output where it failed."""

    protocol: str
    test: str
    seen: tuple[Milled, ...]
    fault: str = ""

    @property
    def crashes(self) -> int:
        """1 where it ended otherwise than by a frame that took too long, or by memory that grew; a crash ends it."""
        return int(bool(self.fault) and not any(one.stuck or one.has_grown for one in self.seen))


def main(words: Sequence[str]) -> int:
    """Mill and print the table; 0 = nothing crashed, stuck or grew."""
    parser = argparse.ArgumentParser(prog="campaign frames", description="Frames changed at random.")
    parser.add_argument("--frames", type=int, default=MANY, help="of each campaign (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=list(PROTOCOLS), help="of these protocols alone")
    asked = parser.parse_args(words)
    runs = [
        mill(protocol, test, asked.frames)
        for protocol, tests in PROTOCOLS.items()
        if not asked.only or protocol in asked.only
        for test in tests
    ]
    print(table(runs))
    for run in runs:
        if run.fault:
            print(f"\n{run.test}\n{run.fault}", file=sys.stderr)
    return int(any(run.fault for run in runs))


def mill(protocol: str, test: str, frames: int) -> Run:
    """One test with so many frames, in a process of its own."""
    with TemporaryDirectory(prefix="streamforge-") as directory:
        seen = Path(directory) / "seen"
        seen.touch()
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--slow",
            "-m",
            "slow",
            "-p",
            "no:cacheprovider",
            ADAPTERS + test,
        ]
        environment = {**os.environ, COUNT: str(frames), SEEN: str(seen)}
        ended = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        milled = tuple(Milled(**json.loads(line)) for line in seen.read_text().splitlines())
    is_good = ended.returncode == 0 and milled
    return Run(protocol=protocol, test=test, seen=milled, fault="" if is_good else ended.stdout[-3000:] or "no frames")


def table(runs: Sequence[Run]) -> str:
    """One row a test."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    for run in runs:
        name = run.test.partition("::")[0].removeprefix("test_").removesuffix(".py")
        seen = run.seen
        cells = (
            run.protocol,
            name if name != "mutations" else run.protocol,
            f"{sum(one.frames for one in seen):,}",
            run.crashes,
            sum(one.stuck for one in seen),
            f"{max((one.slowest_seconds for one in seen), default=0.0) * 1000:.1f}",
            f"{min((one.before_kibibytes for one in seen), default=0) / 1024:.1f}",
            f"{max((one.after_kibibytes for one in seen), default=0) / 1024:.1f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
