"""The two runs side by side: together they are the whole suite."""

from tests.lanes import TESTS, main, paths


def test_every_test_is_in_one_lane() -> None:
    waiting, others = paths()
    tests = sorted(path.relative_to(TESTS.parent).parts for path in TESTS.rglob("test_*.py"))
    both = [*waiting, *others]
    assert len(set(both)) == len(both)
    assert [path for path in tests if "/".join(path[:2]) not in both] == []


def test_a_part_is_run_as_it_is_asked_for() -> None:
    assert main(["-q", "tests/repo/test_lanes.py::test_every_test_is_in_one_lane"]) == 0
    assert main(["-q", "tests/repo/test_lanes.py::test_that_there_is_none"]) != 0
