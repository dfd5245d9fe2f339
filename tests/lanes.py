"""`python -m tests.lanes [words for pytest]`: the whole suite as two runs side by side; a part of it, by words, as one.

What boots containers and browsers waits most of its time, and the rest can use that.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TESTS = Path(__file__).parent
SAY_SECONDS, LINE_BYTES = 300.0, 200
# About as long as all the others together.
WAITING = ("appliance", "contracts", "repo", "sim", "sinks", "transforms", "web")


@dataclass(frozen=True, slots=True)
class Lane:
    """One run, and where its output goes."""

    name: str
    process: "subprocess.Popen[bytes]"
    output: "IO[bytes]"
    began_seconds: float


def paths() -> tuple[list[str], list[str]]:
    """What each lane runs: every test of the repository is in one of them."""
    folders = sorted(path.name for path in TESTS.iterdir() if (path / "__init__.py").exists())
    files = sorted(path.name for path in TESTS.glob("test_*.py"))
    return [f"tests/{one}" for one in WAITING], [f"tests/{one}" for one in [*folders, *files] if one not in WAITING]


def start(name: str, words: Sequence[str], output: "IO[bytes]") -> Lane:
    """Run pytest on these; its output goes to a file, so that two do not mix."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    process = subprocess.Popen(command, cwd=TESTS.parent, stdout=output, stderr=subprocess.STDOUT)
    return Lane(name, process, output, time.monotonic())


def main(words: Sequence[str]) -> int:
    """Run the tests; 0 where all passed."""
    options = [word for word in words if word.startswith("-")]
    if len(options) < len(words):  # a part was asked for
        return subprocess.run([sys.executable, "-m", "pytest", *words], cwd=TESTS.parent, check=False).returncode
    waiting, others = paths()
    with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
        lanes = [start("containers", [*options, *waiting], first), start("others", [*options, *others], second)]
        codes = [_ended(lane) for lane in _as_they_end(lanes)]
    return max(codes)


def _as_they_end(lanes: Sequence[Lane]) -> Sequence[Lane]:
    """The one that ends first comes first; until then it says now and then where they are."""
    said_seconds = time.monotonic()
    while all(lane.process.poll() is None for lane in lanes):
        time.sleep(1.0)
        if time.monotonic() - said_seconds > SAY_SECONDS:
            said_seconds = time.monotonic()
            print("\n".join(f"{lane.name}: {_last_line(lane)}" for lane in lanes), flush=True)
    return sorted(lanes, key=lambda lane: lane.process.poll() is None)


def _last_line(lane: Lane) -> str:
    descriptor = lane.output.fileno()
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, LINE_BYTES, max(0, size - LINE_BYTES))
    return tail.decode(errors="replace").rpartition("\n")[2]


def _ended(lane: Lane) -> int:
    """Wait for it and print what it said."""
    code = lane.process.wait()
    lane.output.seek(0)
    print(f"== {lane.name}: {(time.monotonic() - lane.began_seconds) / 60:.1f} min", flush=True)
    sys.stdout.buffer.write(lane.output.read())
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
