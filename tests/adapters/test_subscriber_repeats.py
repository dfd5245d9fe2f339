"""What a peer sends again, because it was not told that the log has it, is not doubled."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from streamforge.errors import NotConnected
from streamforge.model import ReadingBatch
from tests.adapters.test_subscriber import NAMES, Bench, Radio, batch


def test_a_peer_that_sends_again_what_a_killed_process_had_on_the_log_does_not_double_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Radio, "can_wait", True)
    bench, happened = Bench(tmp_path), []
    bench.radio.script = [
        replace(batch(level, done=lambda: happened.append("done")), device_times_us=(time_us,))
        for level, time_us in ((10.0, 1), (20.0, 2))
    ]
    for _ in range(3):
        bench.unit.step(threading.Event())
    assert bench.radio.put == 0, "nothing is taken before the log has said what it has"
    source = replace(bench.unit._source, asset_id="tank")
    standing = ReadingBatch(
        source=source,
        epoch=1,
        seq=1,
        count_before=0,
        gateway_time_us=1,
        names=NAMES,
        values=(10.0, 0.0),
        device_times_us=(1,),
    )
    bench.unit._see(standing)
    bench.unit._meet_log({}, {})
    bench.until(lambda: bench.radio.put == 2)
    assert [one.values[0] for one in bench.log.batches] == [20.0]
    assert happened == ["done"], "the first is on the log already"
    bench.unit.close()


def test_what_comes_again_after_a_lost_connection_is_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its acknowledgement was lost with the connection."""
    monkeypatch.setattr(Radio, "can_wait", True)
    bench = Bench(tmp_path)
    bench.unit._meet_log({}, {})
    timed = replace(batch(10.0), asset_id="other", device_times_us=(1,))
    bench.radio.script = [timed, NotConnected("radio: unplugged"), timed, replace(timed, device_times_us=(2,))]
    bench.until(lambda: bench.radio.put == 3)
    assert [one.device_times_us[0] for one in bench.log.batches if one.source.asset_id == "other"] == [1, 2]
    bench.unit.close()
