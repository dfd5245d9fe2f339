"""Rules are compiled to columns: nothing wrong is seen fast, and what is wrong is said in words."""

from math import nan

import pytest

from streamforge.model import names
from streamforge.transforms.rules import Action, Rule, Rules
from tests.transforms.cases import batch


def test_a_rule_applies_where_both_patterns_match() -> None:
    rules = Rules([Rule(asset="pump*", parameter="press?re", max=16.0)])
    columns = batch(values={"pressure": 17.0, "speed": 17.0}, at=1.0).names
    assert not rules.plan("pump1", columns).all_within((17.0, 17.0))
    assert rules.plan("pump1", columns).all_within((16.0, 17.0))
    assert rules.plan("boiler", columns).all_within((17.0, 17.0))


def test_the_plan_of_the_same_columns_is_compiled_once() -> None:
    rules = Rules([Rule(max=1.0)])
    columns = names(("a",), ("",), b"\0")
    assert rules.plan("pump1", columns) is rules.plan("pump1", columns)


def test_a_wide_reject_and_a_narrow_suspect_rule_live_together() -> None:
    rules = Rules([Rule(max=16.0), Rule(max=10.0, action=Action.SUSPECT)])
    seen = batch(values={"a": 9.0, "b": 12.0, "c": 17.0}, at=1.0)
    plan = rules.plan("pump1", seen.names)
    assert not plan.all_within(seen.values)
    rejects, suspects = plan.breaches(seen)
    assert rejects == {2: "17 is above the maximum 16"}
    assert suspects == {1: "12 is above the maximum 10"}


@pytest.mark.parametrize("value", [None, "text"])
def test_null_and_text_have_no_range(value: str | None) -> None:
    seen = batch(values={"a": value}, at=1.0)
    assert Rules([Rule(max=1.0)]).plan("pump1", seen.names).breaches(seen) == ({}, {})


def test_nan_is_outside_every_range() -> None:
    seen = batch(values={"a": nan}, at=1.0)
    plan = Rules([Rule(max=1.0)]).plan("pump1", seen.names)
    assert not plan.all_within(seen.values)
    assert plan.breaches(seen) == ({0: "not a number"}, {})


def test_a_rule_that_contradicts_itself_is_a_fault() -> None:
    with pytest.raises(ValueError, match="min 2 is above max 1"):
        Rule(min=2.0, max=1.0)
    with pytest.raises(ValueError, match="not above 0"):
        Rule(rate_per_second=0.0)
