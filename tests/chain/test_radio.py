"""Radio adapters as units beside a real broker: a module that is pulled and put back, a server that is killed."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from streamforge.adapters.xbee_frames import frame
from streamforge.bench.site import Site
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.model import DeadLetter, ReadingBatch
from streamforge.sim.lorawan import APP_SKEY, DEV_ADDR, GATEWAY, NWK_SKEY, push_data, uplink
from tests.adapters.radio_peers import XbeeModule
from tests.chain import checker

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]
NODE = "0013A20041112233"
XBEE = """
adapter_id = "xbee-of-the-chain"
source = {{ xbee_port = "{port}", node_timeout_s = 2.0, rssi_interval_s = 0.0 }}
virtual_modbus.listen = "127.0.0.1:{listen}"
retry_policy = {{ first_ms = 50, most_ms = 200 }}
[[devices]]
asset_id = "well"
node_id = "{node}"
unit_id = 12
tags = [{{ param = "count", at = "40001" }}]
"""
LORA = f"""
adapter_id = "lora-of-the-chain"
[source]
transport = "semtech_udp"
listen = "127.0.0.1:{{port}}"
gateways = ["{GATEWAY}"]
[[devices]]
asset_id = "tank"
dev_addr = "{DEV_ADDR}"
nwk_skey = "{NWK_SKEY}"
app_skey = "{APP_SKEY}"
tags = [{{{{ param = "level", at = "40001" }}}}]
"""
Made = TypeVar("Made")


class Bench:
    """An event loop in a thread of its own, on which modules answer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Made]) -> Made:
        """Do it there."""

        async def main() -> Made:
            return work()

        return asyncio.run_coroutine_threadsafe(main(), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    running = Bench()
    yield running
    running.close()


@pytest.fixture
def site(tmp_path: Path, broker: ThrowAwayBroker) -> Iterator[Site]:
    with Site(tmp_path, broker) as running:
        yield running


def batches(site: Site, adapter_id: str) -> list[ReadingBatch]:
    records = checker.records(site.broker.connection("admin"), "telemetry.raw")
    return [one for one in records if isinstance(one, ReadingBatch) and one.source.adapter_id == adapter_id]


def values(site: Site, adapter_id: str) -> list[float | None]:
    """The first reading of each batch; None = BAD."""
    return [None if one.quality(0) else one.values[0] for one in batches(site, adapter_id)]


def is_connected(site: Site, unit: str) -> bool:
    return "streamforge_connected 1.0" in site.metrics(unit)


def numbered(number: int, *, is_escaped: bool) -> bytes:
    """A frame of the node whose payload is the number."""
    body = b"\x90" + bytes.fromhex(NODE) + b"\xff\xfe\x01" + number.to_bytes(2, "big")
    return frame(body, is_escaped=is_escaped)


def test_an_xbee_module_that_is_pulled_and_put_back(site: Site, bench: Bench, tmp_path: Path) -> None:
    port, listen = tmp_path / "by-id", free_port()
    site.write("adapters/xbee/well.toml", XBEE.format(port=port, listen=listen, node=NODE))
    module = bench.do(lambda: XbeeModule(2))
    port.symlink_to(module.path)
    unit = site.adapter("xbee", "well")

    site.wait_for("the module", lambda: "AP" in module.asked)
    for number in range(300):
        bench.do(partial(module.send, numbered(number, is_escaped=True)))
    bench.do(lambda: module.send(frame(b"\x92\x01", is_escaped=True)))
    site.wait_for("readings", lambda: len(values(site, "xbee-of-the-chain")) >= 300)
    bench.do(module.unplug)
    site.wait_for("the loss", lambda: not is_connected(site, unit))
    port.unlink()
    module = bench.do(lambda: XbeeModule(1))
    port.symlink_to(module.path)
    site.wait_for("the module again", lambda: "AP" in module.asked)
    bench.do(lambda: module.send(numbered(300, is_escaped=False)))
    site.wait_for("the reading after it", lambda: 300 in values(site, "xbee-of-the-chain"))
    assert _image(listen)[:2] == (300, 0xFFFF)
    site.wait_for("silence", lambda: values(site, "xbee-of-the-chain")[-1] is None)
    assert values(site, "xbee-of-the-chain") == [*range(300), None, 300, None]
    assert set(batches(site, "xbee-of-the-chain")[-1].reasons.values()) == {"no_signal"}
    assert "node" in site.health(unit)["details"]["devices"][0]["address"]
    assert site.stop(unit) == 0, site.logs()
    letters = [
        one for one in checker.records(site.broker.connection("admin"), "dlq.telemetry") if isinstance(one, DeadLetter)
    ]
    assert [one.payload for one in letters if one.topic == f"xbee:{port}"] == [b"\x92\x01"]
    bench.do(module.unplug)


def _image(port: int) -> tuple[int, ...]:
    """The first two registers of unit 12, by a bare socket."""
    with socket.create_connection(("127.0.0.1", port), 5) as plc:
        plc.sendall(b"\0\1\0\0\0\6\x0c\3\0\0\0\2")
        answer = plc.recv(64)
    return int.from_bytes(answer[9:11], "big"), int.from_bytes(answer[11:13], "big")


def test_a_lora_server_that_is_killed_refuses_what_it_had(site: Site) -> None:
    port = free_port()
    site.write("adapters/lora/farm.toml", LORA.format(port=port))
    gateway = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gateway.connect(("127.0.0.1", port))
    gateway.settimeout(0.2)

    def push(*counters: int) -> None:
        """Until it is acknowledged, as a packet forwarder does not but an impatient one would."""
        for _ in range(100):
            try:
                gateway.send(push_data(*(uplink(counter, counter.to_bytes(2, "big")) for counter in counters)))
                assert gateway.recv(64) == b"\x02\x12\x34\x01"
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail("no acknowledgement")

    unit = site.adapter("lora", "farm")
    push(*range(100, 150))
    site.wait_for("readings", lambda: len(values(site, "lora-of-the-chain")) >= 50)
    site.kill(unit)
    site.adapter("lora", "farm")
    push(*range(100, 151))
    site.wait_for("what is new", lambda: 150 in values(site, "lora-of-the-chain"))
    assert values(site, "lora-of-the-chain") == [*range(100, 151)]
    assert 'streamforge_protocol{asset_id="",name="replayed_frames"} 50.0' in site.metrics(unit)
    assert site.stop(unit) == 0, site.logs()
    gateway.close()
