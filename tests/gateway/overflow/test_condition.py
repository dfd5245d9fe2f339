"""In which state the disk is, and when somebody is told."""

import pytest

from streamforge.gateway.overflow.condition import Condition
from streamforge.gateway.overflow.tiers import Tier, Use, tier_of
from streamforge.health import State

DISK = 2000


def condition(log: int, history: int = 0, disk: int = 0) -> Condition:
    """A log of a budget of 1000, on a disk of 2000 that holds it and `disk` of others."""
    use = Use(log_bytes=log, budget_bytes=1000, disk_used_bytes=log + disk, disk_total_bytes=DISK)
    return Condition(
        use=use,
        tier=tier_of(use.percent, Tier.CALM),
        tier_without_history=tier_of(use.without(history).percent, Tier.CALM),
    )


@pytest.mark.parametrize("log", [700, 790, 810, 890])
def test_a_log_that_is_full_of_what_everybody_has_is_healthy(log: int) -> None:
    state, status = condition(log, history=log - 100).judge()
    assert state is State.HEALTHY
    assert status.endswith("most of it everybody has, the oldest gives way")


@pytest.mark.parametrize("log", [700, 790, 810, 890])
def test_one_that_is_full_of_what_somebody_lacks_is_an_alert_from_70_on(log: int) -> None:
    assert condition(log, history=log - 700).judge()[0] is State.DEGRADED
    assert condition(log, history=log - 699).judge()[0] is State.HEALTHY


def test_from_90_on_it_is_an_alert_whatever_fills_it_and_from_95_on_unhealthy() -> None:
    assert condition(900, history=900).judge()[0] is State.DEGRADED
    assert condition(950, history=950).judge()[0] is State.UNHEALTHY


def test_a_disk_that_others_fill_is_an_alert_from_70_on() -> None:
    assert condition(300, history=300, disk=DISK * 70 // 100).judge()[0] is State.DEGRADED
    assert condition(300, history=300, disk=DISK * 70 // 100 - 1).judge()[0] is State.HEALTHY


def test_alarms_that_fill_their_share_are_unhealthy_and_say_what_keeps_them() -> None:
    full = Condition(use=condition(100).use, alarms_percent=100.0, barred="alarms.clean: 1 is not cleared")
    state, status = full.judge()
    assert state is State.UNHEALTHY
    assert status.endswith("the alarms' share is full (alarms.clean: 1 is not cleared)")


def test_an_eviction_that_fails_is_said() -> None:
    state, status = Condition(use=condition(100).use, failure="no broker").judge()
    assert (state, status.endswith("cannot evict: no broker")) == (State.DEGRADED, True)
