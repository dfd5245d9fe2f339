"""The unit modbus-rtu on a line: a pulled converter is said and comes back, a second process on one port is refused."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamforge.bench.site import Site
from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.adapters.serial_lines import Line, right

pytestmark = pytest.mark.broker

TOML = """
poll_interval_ms = 100
[source]
port = "{port}"
[retry_policy]
first_ms = 50
most_ms = 200
[[devices]]
asset_id = "meter"
unit_id = 11
tags = [{{ param = "power", at = "HR7" }}]
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A line whose far end lives in a loop and a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    far = Line(tmp_path / "usb-FTDI", right)
    far.loop = loop
    call(far, far.plug)
    try:
        yield far
    finally:
        asyncio.run_coroutine_threadsafe(far.end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def call(line: Line, work: Callable[[], None]) -> None:
    """Run it in the line's loop."""

    async def run() -> None:
        work()

    assert line.loop
    asyncio.run_coroutine_threadsafe(run(), line.loop).result(5)


def device(site: Site, unit: str) -> dict[str, Any]:
    found: dict[str, Any] = site.health(unit)["details"]["devices"][0]
    return found


def test_a_line_that_is_pulled_and_put_back(tmp_path: Path, broker: ThrowAwayBroker, line: Line) -> None:
    with Site(tmp_path / "site", broker) as site:
        for instance in ("first", "second"):
            site.write(f"adapters/modbus-rtu/{instance}.toml", TOML.format(port=line.path))
        first = site.adapter("modbus-rtu", "first")
        site.wait_for("readings", lambda: device(site, first)["state"] == "ONLINE")
        second = site.adapter("modbus-rtu", "second")
        site.wait_for("a refusal", lambda: "in use by another process" in device(site, second)["last_error"])
        assert device(site, first)["state"] == "ONLINE"
        site.stop(second)

        call(line, line.unplug)
        site.wait_for("the reason", lambda: "the port is gone" in device(site, first)["last_error"])
        site.wait_for("that there is no port", lambda: "No such file" in device(site, first)["last_error"])
        call(line, line.plug)
        site.wait_for("readings again", lambda: device(site, first)["state"] == "ONLINE")
        assert site.stop(first) == 0
    assert {request[1] for request in line.requests} == {3}
