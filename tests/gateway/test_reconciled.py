"""What was said of cuts is kept, bounded, and shown; what is damaged counts as nothing said."""

from pathlib import Path

from streamforge.gateway.reconciled import MOST_KEPT, REPORT_FILE, STATE_FILE, Open, Reconciled, Said, load, save, show

OPEN = Open(incarnation=2, adapter_id="plant", epoch=7, end=50, first=90)


def said(number: int) -> Said:
    return Said(incarnation=number, opened_at_us=7, message="The log was cut.", at_least=1, at_most=9)


def test_it_is_kept_and_shown(tmp_path: Path) -> None:
    known = Reconciled().saying([said(2)], [OPEN], 2)
    save(tmp_path, known)
    assert load(tmp_path) == known
    (tmp_path / "run").mkdir()
    show(tmp_path / "run", known)
    assert load(tmp_path / "run", REPORT_FILE) == known
    assert (tmp_path / "run" / REPORT_FILE).stat().st_mode & 0o777 == 0o640, "the group of all units reads it"


def test_what_is_missing_or_damaged_is_a_log_that_was_never_cut(tmp_path: Path) -> None:
    assert load(tmp_path) == Reconciled()
    (tmp_path / STATE_FILE).write_text('{"incarnation": 3, "said": [{"what": 1}]}')
    assert load(tmp_path) == Reconciled()


def test_what_an_earlier_version_kept_goes_on(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text('{"incarnation": 3}')
    assert load(tmp_path).incarnation == 3


def test_the_list_is_bounded_and_an_open_count_is_settled_once() -> None:
    known = Reconciled()
    for number in range(2, MOST_KEPT + 10):
        known = known.saying([said(number)], [], number)
    assert [one.incarnation for one in known.said][-1] == known.incarnation == MOST_KEPT + 9
    assert len(known.said) == MOST_KEPT
    assert known.saying([], [OPEN], 50).settled(OPEN).open == ()
