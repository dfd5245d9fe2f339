"""From bytes to tiers."""

import pytest

from streamforge.gateway.overflow.tiers import TARGET_PERCENT, Tier, Use, tier_of


@pytest.mark.parametrize(
    ("percent", "tier"),
    [(0, 0), (69.9, 0), (70, 70), (79.9, 70), (80, 80), (90, 90), (94.9, 90), (95, 95), (140, 95)],
)
def test_a_tier_is_entered_at_its_figure(percent: float, tier: int) -> None:
    assert tier_of(percent, Tier.CALM) == tier


@pytest.mark.parametrize(
    ("percent", "before", "tier"),
    [(94, 95, 95), (93, 95, 95), (92.9, 95, 90), (87, 95, 80), (68.5, 70, 70), (67, 95, 0), (78.5, 95, 80)],
)
def test_a_tier_is_left_only_below_its_figure(percent: float, before: int, tier: int) -> None:
    assert tier_of(percent, Tier(before)) == tier


def use(log: int, disk: int) -> Use:
    return Use(log_bytes=log, budget_bytes=1000, disk_used_bytes=disk, disk_total_bytes=2000)


@pytest.mark.parametrize(("log", "disk", "percent"), [(500, 600, 50), (100, 1800, 90), (950, 1900, 95)])
def test_the_worse_of_log_and_disk_counts(log: int, disk: int, percent: float) -> None:
    assert use(log, disk).percent == percent


@pytest.mark.parametrize(
    ("log", "disk", "excess"), [(500, 600, 0), (950, 1000, 100), (100, 1800, 100), (900, 1900, 200)]
)
def test_what_must_go_brings_both_to_the_target(log: int, disk: int, excess: int) -> None:
    assert TARGET_PERCENT == 85
    assert use(log, disk).excess_bytes() == excess
