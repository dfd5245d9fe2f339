"""`./build-image.sh campaign frames [--frames N] [--only PROTOCOL]`: frames changed at random, a million a protocol.

Each campaign of tests/adapters runs in a process of its own, so that its memory is its own.
"""

import argparse
import ast
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

ADAPTERS = REPOSITORY / "tests" / "adapters"
# A word in the name of a test or its file -> protocol; the first that is there.
WORDS = {
    "sparkplug": "sparkplug",
    "mqtt": "mqtt",
    "opcua": "opcua",
    "modbus_rtu": "modbus-rtu",
    "modbus_tcp": "modbus-tcp",
    "xbee": "xbee",
    "lora": "lora",
    "semtech": "lora",
    "cayenne": "lora",
}
PYTEST = ("-q", "--slow", "-m", "slow", "-p", "no:cacheprovider")
_MILLS = {"campaign", "milled_modbus"}
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


def mills() -> dict[str, list[str]]:
    """Every test that takes a count of frames and mills them: protocol -> tests/adapters/FILE::NAME."""
    found: dict[str, list[str]] = {protocol: [] for protocol in WORDS.values()}
    for path in sorted(ADAPTERS.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and _is_mill(node):
                test = f"{path.relative_to(REPOSITORY)}::{node.name}"
                found.setdefault(protocol_of(test), []).append(test)
    return found


def _is_mill(function: ast.FunctionDef) -> bool:
    calls = {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    takes_count = any(one.arg == "count" for one in function.args.args)
    return function.name.startswith("test_") and takes_count and bool(calls & _MILLS)


def protocol_of(test: str) -> str:
    """By its name or its file's; "" = neither says it."""
    return next((protocol for word, protocol in WORDS.items() if word in test), "")


def main(words: Sequence[str]) -> int:
    """Mill and print the table; 0 = nothing crashed, stuck or grew."""
    parser = argparse.ArgumentParser(prog="campaign frames", description="Frames changed at random.")
    parser.add_argument("--frames", type=int, default=MANY, help="of each campaign (default: %(default)s)")
    known = mills()
    parser.add_argument("--only", action="append", choices=list(known), help="of these protocols alone")
    asked = parser.parse_args(words)
    runs = [
        mill(protocol, test, asked.frames)
        for protocol, tests in known.items()
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
        words = [sys.executable, "-m", "pytest", *PYTEST, test]
        environment = {**os.environ, COUNT: str(frames), SEEN: str(seen)}
        ended = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        milled = tuple(Milled(**json.loads(line)) for line in seen.read_text().splitlines())
    is_good = ended.returncode == 0 and milled
    return Run(protocol=protocol, test=test, seen=milled, fault="" if is_good else ended.stdout[-3000:] or "no frames")


def table(runs: Sequence[Run]) -> str:
    """One row a test."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    for run in runs:
        file, _, name = run.test.rpartition("/")[2].replace("test_", "").partition(".py::")
        seen = run.seen
        cells = (
            run.protocol,
            f"{file}: {name.replace('_', ' ')}",
            f"{sum(one.frames for one in seen):,}",
            run.crashes,
            sum(one.stuck for one in seen),
            f"{max((one.slowest_seconds for one in seen), default=0.0) * 1000:.1f}",
            f"{min((one.before_kibibytes for one in seen), default=0) / 1024:.1f}",
            f"{max((one.after_kibibytes for one in seen), default=0) / 1024:.1f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
