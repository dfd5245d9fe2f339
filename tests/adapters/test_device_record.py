"""What is remembered of a device, and which of its changes are new."""

import asyncio

import pytest

from streamforge.adapters import peers
from streamforge.adapters.device_record import DeviceRecord, DeviceState
from streamforge.adapters.peers import Peer
from streamforge.backoff import Backoff


@pytest.mark.parametrize(("steady_seconds", "waits"), [(60.0, 4), (0.0, 0)])
def test_a_peer_that_drops_its_connections_at_once_is_not_asked_ever_faster(
    monkeypatch: pytest.MonkeyPatch, steady_seconds: float, waits: int
) -> None:
    monkeypatch.setattr(peers, "STEADY_SECONDS", steady_seconds)
    backoff = Backoff(jitter=lambda _ceiling: 0.0)

    async def connect() -> None:
        """There at once."""

    async def main() -> None:
        peer = Peer(address="plc", connect=connect, backoff=backoff)
        running = asyncio.create_task(peer.run())
        for _ in range(4):
            await peer.stands()
            await asyncio.sleep(0)
            peer.lost("hung up")
        await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(main())
    assert backoff.failures == waits


def test_a_failure_is_new_once_and_an_answer_ends_it() -> None:
    record = DeviceRecord()
    assert [record.failed("timeout"), record.failed("refused")] == [True, False]
    assert (record.state, record.last_error, record.errors) == (DeviceState.OFFLINE, "refused", 2)
    assert [record.answered(5), record.answered(6)] == [True, False]
    assert (record.state, record.last_error, record.last_success_us) == (DeviceState.ONLINE, "", 6)


def test_a_refused_point_is_new_once_until_it_was_good() -> None:
    record = DeviceRecord()
    assert [record.refuses(what) for what in ("", "level", "level and 1 more", "", "level")] == [
        False, True, False, False, True,
    ]  # fmt: skip
