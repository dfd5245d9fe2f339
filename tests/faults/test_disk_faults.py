"""What a disk does to the running log short of losing its power: slow, worn, full, half written.

Each case stands in the module that plays it; here it is played once, and shorter. STREAMFORGE_SEED repeats a run.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.faults import device_flushes, full_disk, slow_sync
from tests.faults.cases import HALF_WRITTEN, TELEMETRY
from tests.faults.full_disk import outage_seconds
from tests.faults.mounts import obstacle
from tests.faults.rig import Rig, rig
from tests.faults.rounds import play as cut_power

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

SEED = os.environ.get("STREAMFORGE_SEED") or secrets.token_hex(4)


@pytest.fixture(scope="module")
def site() -> Iterator[Rig]:
    """A broker on a disk of our own."""
    if reason := obstacle():
        pytest.skip(f"no disk of our own here: {reason}")
    with rig(has_cache=True) as made:
        yield made


def test_where_a_sync_takes_half_a_second_alarms_wait_for_one_barrier_readings_for_none_and_the_disk_is_said_to_be_slow(
    site: Rig,
) -> None:
    case = replace(slow_sync.PROMISED[2], seconds=8.0, alarm_seconds=0.5)
    (seen,) = slow_sync.play(site, SEED, 1, [case])
    assert seen.breaches == [], f"seed {SEED}: {seen}"
    assert seen.figures[f"{TELEMETRY}_ack_p99_ms"] < seen.figures["alarms.raw_ack_p50_ms"]
    assert seen.figures["alarms.raw_ack_p50_ms"] >= 500, "an alarm does wait for the disk"


def test_four_hundred_readings_a_second_cost_twelve_flushes_of_the_device_at_most(site: Rig) -> None:
    case = replace(device_flushes.CASES[0], seconds=5.0, settle_seconds=3.0)
    (seen,) = device_flushes.play(site, SEED, 1, [case])
    assert seen.breaches == []
    assert seen.figures["flushes_per_second"] > 0, "or nothing was counted"


def test_a_disk_that_somebody_fills_stops_the_broker_for_a_minute_at_most_and_loses_nothing(site: Rig) -> None:
    case = replace(full_disk.FILLED, full_seconds=3.0)
    (seen,) = full_disk.play(site, SEED, 1, [case])
    assert seen.breaches == [], f"seed {SEED}: {seen}"
    assert seen.figures["starts"] == 2, "the broker did feel it"


def test_a_disk_that_fills_while_the_broker_reads_its_metadata_costs_neither_topics_nor_records(site: Rig) -> None:
    case = replace(full_disk.FILLED_AT_START, full_seconds=6.0, most_delay_seconds=0.0)
    (seen,) = full_disk.play(site, SEED, 1, [case])
    assert seen.breaches == [], f"seed {SEED}: {seen}"


def test_a_cut_of_a_disk_that_had_written_a_part_of_its_cache_keeps_what_is_promised(site: Rig) -> None:
    (outcome,) = cut_power(site, HALF_WRITTEN, SEED, 1)
    assert outcome.breaches == [], f"seed {SEED}: {outcome}"


def test_an_outage_is_the_longest_time_without_an_acknowledgement_and_endless_without_any() -> None:
    assert outage_seconds([1.0, 2.0, 9.0, 9.5], since=1.5) == 7.0
    assert outage_seconds([1.0], since=1.5) == float("inf")
