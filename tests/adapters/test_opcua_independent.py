"""The same cuts against open62541 in C, a server that shares nothing with the adapter's library."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.opcua_peer import cable, free_port, running
from tests.adapters.test_opcua import config, consecutive, rows
from tests.unpacked import REPOSITORY, unpacked

SOURCE = Path(__file__).with_name("opcua_counter.c")
ROOT = REPOSITORY / ".cache" / "peers" / "open62541"
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    unpacked("open62541", ROOT)
    shutil.copy(SOURCE, ROOT / "srv")
    compiler = ["tcc", "-w", "-o", "/srv/counter", f"/srv/{SOURCE.name}", "-lopen62541", "-lpthread"]
    subprocess.run(["chroot", ROOT, *compiler], check=True, env={"PATH": "/usr/sbin:/usr/bin"})
    port = free_port()
    command = ["chroot", str(ROOT), "/srv/counter", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        assert server.stderr is not None
        while "ready" not in server.stderr.readline():
            assert server.poll() is None, "the server did not start"
        yield port
        server.kill()


@pytest.mark.parametrize(
    ("seconds", "hang_up"),
    [(5, True), (5, False), pytest.param(12, True, marks=slow), pytest.param(30, False, marks=slow)],
)
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
