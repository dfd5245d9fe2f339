"""An OPC UA adapter as a process beside a real broker: trust, the way to the log, the broker away, the link cut."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from streamforge.adapters.opcua import NOT_RUNNING
from streamforge.bench.site import Site
from streamforge.model import Event, ReadingBatch
from tests.adapters.opcua_certificates import keep, pair
from tests.adapters.opcua_peer import Cable, Told, server
from tests.adapters.opcua_server import APPLICATION
from tests.broker import new_broker
from tests.chain import checker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
UNIT = "streamforge-adapter-opcua@line"
CONFIGURATION = """
[source]
endpoint = "opc.tcp://127.0.0.1:{port}"
timeout_ms = 2000

[subscription]
publish_ms = 100
sampling_ms = 20
queue_size = 2000
keep_alive_s = 1

[[devices]]
asset_id = "boiler"
tags = [{{ param = "counter", at = "nsu=urn:plant:boiler;s=Counter" }}]
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Told]:
    with server(keep(tmp_path / "server", pair(APPLICATION))) as told:
        yield told


@contextmanager
def cable(target: int) -> Iterator[Cable]:
    """The link, in an event loop of its own thread."""
    link, loop, is_ready = Cable(target), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        listener = await asyncio.start_server(link.serve, "127.0.0.1", 0)
        link.port = listener.sockets[0].getsockname()[1]
        is_ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    is_ready.wait(10)
    try:
        yield link
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def streamforge(site: Site, *words: str) -> str:
    """What a command prints."""
    environment = site.environment("person", "admin")
    command = [sys.executable, "-m", "streamforge", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def counter(site: Site) -> list[int]:
    """Every number of the counter on the log, as they stand there."""
    batches = [
        record
        for record in checker.records(site.broker.connection("admin"), "telemetry.raw")
        if isinstance(record, ReadingBatch)
    ]
    return [
        int(value)
        for batch in batches
        for index in range(len(batch))
        if isinstance(value := batch.value(index), int) and value is not None
    ]


def events(site: Site) -> list[Event]:
    """Every event on the log."""
    found = checker.records(site.broker.connection("admin"), "events.raw")
    return [event for event in found if isinstance(event, Event)]


def test_what_a_server_counts_stands_on_the_log_without_a_hole(tmp_path: Path, plant: Told) -> None:
    with cable(plant.port) as link, new_broker(tmp_path / "broker") as broker, Site(tmp_path / "site", broker) as site:
        site.write("adapters/opcua/line.toml", CONFIGURATION.format(port=link.port))
        site.barrier()
        site.adapter("opcua", "line")
        site.wait_for("the refusal", lambda: "is not trusted" in str(site.health(UNIT)["status"]))
        assert site.health(UNIT)["state"] == "DEGRADED"
        fingerprint = streamforge(site, "opcua", "trust").split()[2]
        streamforge(site, "opcua", "trust", fingerprint[:16])
        site.wait_for("readings", lambda: site.health(UNIT)["state"] == "HEALTHY", 60.0)

        site.wait_for("some", lambda: len(counter(site)) > 20)
        broker.kill()
        broker.start()
        link.cut(hang_up=False)
        threading.Event().wait(3.0)
        link.mend()
        before = len(counter(site))
        site.wait_for("readings after both", lambda: len(counter(site)) > before + 100, 60.0)

        assert site.stop(UNIT) == 0, site.logs()
        found = counter(site)
        assert [(one, two) for one, two in pairwise(found) if two != one + 1] == []
        assert events(site) == []
        raw = checker.in_topic(broker.connection("admin"), "telemetry.raw")
        assert (raw.doubles(), raw.holes()) == ([], [])
        journal = [json.loads(line[3:]) for line in site.logs().splitlines() if line.startswith("<4>{")]
        assert {"peer_away", "own_certificate_made"} <= {line["event"] for line in journal}

        site.adapter("opcua", "line")
        site.wait_for("what the restart has cost", lambda: len(events(site)) == 1)
        (gap,) = events(site)
        assert (gap.type, gap.details["reason"]) == ("data_gap", NOT_RUNNING)
        assert 0 < int(gap.details["from_us"]) < int(gap.details["to_us"])
