"""Sparkplug B and the log: what no record can hold, and what is kept before the log has it."""

from pathlib import Path

import pytest

from streamforge.adapters import sparkplug_file
from streamforge.adapters.mqtt_config import SparkplugRow
from streamforge.adapters.mqtt_readings import batch_of
from streamforge.adapters.outbox import Outbox
from streamforge.adapters.sparkplug import Sparkplug
from streamforge.model import TimeQuality
from streamforge.sim.sparkplug import M, payload
from tests.adapters.test_sparkplug import DEVICE, T_US, born
from tests.samples import SOURCE


@pytest.mark.parametrize("time_ms", [2**64 - 1, 2**63, 253_402_300_800_000])
def test_a_number_that_is_no_time_is_none_and_the_log_takes_what_comes_of_it(time_ms: int) -> None:
    made = born()
    message = payload(
        M(alias=1, value=1.0, time_ms=time_ms),
        M(alias=3, kind="long", value=2, time_ms=time_ms),
        seq=9,
        time_ms=time_ms,
    )
    told = made.read(DEVICE.format("DDATA"), message, T_US)
    assert told is not None
    assert [(one.time_us, one.reason) for one in told.samples] == [(0, "no_device_time")] * 2
    (gap,) = told.events
    assert gap.time_us == T_US
    assert gap.event_id == f"adapter/G/N/gap/{T_US}/9", "or the next hole before this number would be the same event"
    outbox = Outbox(SOURCE, 1)
    outbox.put(batch_of(told.samples), T_US, TimeQuality.SYNCED)
    outbox.put_signal(gap, "G/N")


def test_a_death_that_comes_again_after_a_kill_finds_what_died(tmp_path: Path) -> None:
    made = born()
    told = made.read(DEVICE.format("DDEATH"), payload(seq=2), T_US)
    assert told is not None
    sparkplug_file.save(tmp_path, made.nodes)
    again = Sparkplug(SparkplugRow(groups=("G",)), "adapter", sparkplug_file.load(tmp_path))
    repeated = again.read(DEVICE.format("DDEATH"), payload(seq=2), T_US)
    assert repeated is not None
    assert [batch.names for batch in repeated.silent] == [batch.names for batch in told.silent]
    made.is_changed = False
    told.silent[0].done()
    assert made.is_changed, "the log has it: now it is kept as dead"
    sparkplug_file.save(tmp_path, made.nodes)
    assert all("D" not in node.tables for node in sparkplug_file.load(tmp_path).values())
