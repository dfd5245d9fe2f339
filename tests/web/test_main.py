"""The unit as a process beside a real broker: values arrive, a broker that goes away is said, memory stays small."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.model import Topic
from streamforge.progress import Partition
from tests.broker import new_broker
from tests.web import peers

pytestmark = pytest.mark.broker
MOST_RSS_BYTES = 64 * 1024 * 1024
SECONDS = 30.0


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.2)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    with new_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def page(tmp_path: Path, own_broker: ThrowAwayBroker) -> Iterator[tuple[subprocess.Popen[bytes], peers.Browser]]:
    """The unit as systemd starts it, but for the socket."""
    run, state, port = tmp_path / "run", tmp_path / "state", free_port()
    run.mkdir()
    state.mkdir()
    environment = {
        **os.environ,
        **own_broker.environment("web"),
        "CREDENTIALS_DIRECTORY": str(peers.credentials(tmp_path / "credentials")),
        "STATE_DIRECTORY": str(state),
        "STREAMFORGE_ROOT": str(tmp_path),
        "STREAMFORGE_RUN": str(run),
    }
    command = [sys.executable, "-m", "streamforge", "web", "--port", str(port)]
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: is_listening(port), "the page listens")
        browser = peers.Browser(port)
        assert browser.login().status == 303
        yield process, browser
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def send(broker: ThrowAwayBroker, seqs: range) -> None:
    producer = Producer(broker.connection("transform-validator"), (Topic.TELEMETRY_CLEAN.value,))
    for seq in seqs:
        batch = peers.batch("pump-station", seq, peers.now_us())
        producer.send(Partition(Topic.TELEMETRY_CLEAN.value), b"pump-station", encode(batch), (), lambda _: None)
    producer.flush(10)
    producer.close()


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_values_of_the_log_are_shown_and_a_broker_that_goes_away_is_said(
    page: tuple[subprocess.Popen[bytes], peers.Browser], own_broker: ThrowAwayBroker
) -> None:
    process, browser = page
    send(own_broker, range(100))
    wait_for(lambda: "inlet_<wbr>pressure" in browser.get("/devices").text, "values arrive")
    assert "No adapter that runs now reads it" in browser.get("/devices").text
    own_broker.stop()
    wait_for(lambda: "Values are not up to date" in browser.get("/devices").text, "the loss is said")
    assert "inlet_<wbr>pressure" in browser.get("/devices").text
    own_broker.start()
    wait_for(lambda: "Values are not up to date" not in browser.get("/devices").text, "the return is seen")
    used_bytes = rss_bytes(process.pid)
    print(f"RSS of the page: {used_bytes / 2**20:.1f} MiB")
    assert used_bytes < MOST_RSS_BYTES
