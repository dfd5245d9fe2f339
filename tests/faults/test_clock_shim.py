"""The clock that is set does what it says, in a Python process and in a JVM, and only to the wall clock."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults import clock_shim
from tests.faults.clock_shim import WallClock, settable

pytestmark = pytest.mark.skipif(bool(clock_shim.obstacle()), reason=clock_shim.obstacle())

YEAR_NS = 365 * 86_400 * 10**9
SAY = """
import time, datetime, sys
for _ in sys.stdin:
    print(time.time(), time.time_ns() / 1e9, datetime.datetime.now().timestamp(), time.monotonic(),
          time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    with settable(tmp_path) as clock:
        yield clock


def test_a_running_process_has_the_offset_of_now_in_its_wall_clock_alone(clock: WallClock) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset_ns in (0, YEAR_NS, -YEAR_NS, -time.time_ns() + 10**9, 0):
            clock.set(offset_ns)
            process.stdin.write("\n")
            process.stdin.flush()
            *walls, monotonic, boot = map(float, process.stdout.readline().split())
            assert walls == pytest.approx([time.time() + offset_ns / 1e9] * 3, abs=2.0)
            assert monotonic == pytest.approx(time.monotonic(), abs=2.0)
            assert boot == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=2.0)
        process.stdin.close()


def test_a_jvm_has_it_too(clock: WallClock) -> None:
    clock.set(-2 * YEAR_NS)
    command = ["java", "-Xlog:all=off", "-Xlog:gc=info:stdout:time", "-version"]  # a line with the JVM's own time
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert f"[{datetime.fromtimestamp(time.time() - 730 * 86_400, UTC).year}-" in done.stdout


def test_this_process_keeps_the_clock_of_the_machine_and_its_environment(tmp_path: Path) -> None:
    before = dict(os.environ)
    with settable(tmp_path) as clock:
        clock.set(YEAR_NS)
        assert datetime.now(UTC).timestamp() == pytest.approx(time.clock_gettime(time.CLOCK_REALTIME), abs=1.0)
    assert dict(os.environ) == before
