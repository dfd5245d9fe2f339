"""The same cuts against open62541, a server that shares nothing with the adapter's library.

Wants libopen62541-dev, which Debian has from 13 on; PKG_CONFIG_PATH may name another place of it.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.opcua_peer import cable, free_port, running
from tests.adapters.test_opcua import config, consecutive, rows

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).with_name("opcua_counter.c")
LIBRARY = "open62541"


def _flags() -> list[str]:
    if shutil.which("pkg-config") is None or subprocess.run(["pkg-config", LIBRARY], check=False).returncode:
        pytest.skip(f"{LIBRARY} is not on this machine")
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "--static", LIBRARY], check=True, capture_output=True, text=True
    )
    return found.stdout.split()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = tmp_path_factory.mktemp("peer") / "counter"
    subprocess.run(["cc", "-O2", "-o", program, SOURCE, *_flags(), "-lpthread", "-lm"], check=True)
    port = free_port()
    with subprocess.Popen([program, str(port)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        assert server.stderr is not None
        while "ready" not in server.stderr.readline():
            assert server.poll() is None, "the server did not start"
        yield port
        server.kill()


@pytest.mark.parametrize(("seconds", "hang_up"), [(5, True), (5, False), (12, True), (30, False)])
def test_a_cut_of_the_link_leaves_no_hole(port: int, tmp_path: Path, seconds: int, hang_up: bool) -> None:
    async def main() -> None:
        async with cable(port) as link:
            settings = config(link.port, *rows("Counter", "Spare"))
            # 0: this server then looks at each change; else it may sample twice or not at all between two of them.
            subscription = replace(settings.subscription, sampling_ms=0, queue_size=2000)
            async with running(replace(settings, subscription=subscription), tmp_path) as run:
                await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
                link.cut(hang_up=hang_up)
                await asyncio.sleep(seconds)
                seen = len(run.box.values("Counter"))
                link.mend()
                await run.until(lambda: len(run.box.values("Counter")) > seen + seconds * 20 + 10, "the rest", 60.0)
                assert consecutive(run.box.values("Counter")) == []
                assert run.box.events("data_gap") == []
                assert run.box.values("Spare") == [1.0, 1.0]

    asyncio.run(main())
