"""The epoch of an adapter."""

from pathlib import Path

from streamforge.adapters.epochs import LEAST_PROMISE, MOST_CLOSED, EpochCount, Epochs, noted, running
from streamforge.health import Asked, Health, HealthServer, State


def test_the_first_epoch_is_one(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    assert not epochs.is_known
    assert epochs.begin() == 1
    assert Epochs(tmp_path, "plant").is_known


def test_every_start_is_a_new_epoch_and_the_old_one_keeps_its_count(tmp_path: Path) -> None:
    first = Epochs(tmp_path, "plant")
    first.begin()
    first.count(read=120, dropped=20, numbered=130)
    second = Epochs(tmp_path, "plant")
    assert second.begin() == 2
    assert second.closed == [EpochCount(epoch=1, read=120, dropped=20, promised=130 + LEAST_PROMISE)]


def test_a_lost_counter_goes_on_above_the_highest_epoch_of_the_log(tmp_path: Path) -> None:
    assert Epochs(tmp_path, "plant").begin(highest_in_log=41) == 42


def test_a_damaged_counter_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "epochs.json").write_text('{"current": {"epo')
    assert not Epochs(tmp_path, "plant").is_known
    assert Epochs(tmp_path, "plant").begin(highest_in_log=7) == 8


def test_what_a_killed_process_had_on_the_log_corrects_its_count(tmp_path: Path) -> None:
    Epochs(tmp_path, "plant").begin()
    epochs = Epochs(tmp_path, "plant")
    epochs.begin()
    epochs.correct(1, read=500)
    assert Epochs(tmp_path, "plant").begin() == 3
    again = Epochs(tmp_path, "plant")
    again.begin()
    assert again.closed[0] == EpochCount(epoch=1, read=500, promised=500)


def test_the_promise_is_on_disk_and_leaves_room_for_twice_what_came(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    assert epochs.promised == 0
    epochs.begin()
    assert epochs.promised == LEAST_PROMISE
    epochs.count(read=900, dropped=0, numbered=1_000)
    epochs.count(read=10_000, dropped=0, numbered=10_100)
    assert epochs.promised == 10_100 + 2 * (10_100 - 900)
    again = Epochs(tmp_path, "plant")
    again.begin()
    assert again.closed[0].promised == epochs.promised


def test_a_plant_at_rest_writes_nothing(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    epochs.begin()
    epochs.count(read=900, dropped=0, numbered=900)
    epochs.count(read=900, dropped=0, numbered=900)  # what came since is nothing: the promise becomes a smaller one
    assert epochs.promised == 900 + LEAST_PROMISE
    written = (tmp_path / "epochs.json").stat().st_ino
    epochs.count(read=900, dropped=0, numbered=900)
    assert (tmp_path / "epochs.json").stat().st_ino == written


def test_an_epoch_names_the_incarnation_in_which_it_wrote(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    epochs.begin()
    epochs.met_log(3)
    epochs.count(read=1, dropped=0, numbered=1)
    again = Epochs(tmp_path, "plant")
    again.begin()
    assert again.closed[0].incarnation == 3


def test_the_list_of_closed_epochs_is_bounded(tmp_path: Path) -> None:
    for _ in range(MOST_CLOSED + 5):
        Epochs(tmp_path, "plant").begin()
    last = Epochs(tmp_path, "plant")
    last.begin()
    assert len(last.closed) == MOST_CLOSED


def test_an_epoch_that_ended_in_order_promises_no_more_than_it_read(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    epochs.begin()
    epochs.end(read=77, dropped=7)
    again = Epochs(tmp_path, "plant")
    again.begin()
    assert again.closed == [EpochCount(epoch=1, read=77, dropped=7, promised=77)]


def test_what_all_adapters_noted_is_found_under_their_state_directories(tmp_path: Path) -> None:
    for name in ("plant", "hall", "damaged"):
        directory = tmp_path / f"streamforge-adapter-modbus-tcp@{name}"
        directory.mkdir()
        Epochs(directory, name).begin()
    (directory / "epochs.json").write_text("{")
    found = noted(tmp_path)
    assert {name: [count.epoch for count in counts] for name, counts in found.items()} == {"hall": [1], "plant": [1]}


def test_an_epoch_that_lived_through_a_cut_names_the_first_incarnation_and_the_last(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path, "plant")
    epochs.begin()
    epochs.met_log(2)
    epochs.met_log(3)
    assert epochs.current is not None
    assert (epochs.current.began, epochs.current.incarnation) == (2, 3)


def test_who_does_not_answer_on_its_socket_does_not_run(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "streamforge-adapter-modbus-tcp@line"
    directory.mkdir(parents=True)
    Epochs(directory, "plant").begin()
    assert running(tmp_path / "state", tmp_path) == set()
    nothing = Asked(
        unit=directory.name,
        health=lambda: Health(state=State.HEALTHY, status="reads", details={}),
        metrics=lambda: b"",
        is_ready=lambda: True,
        since_us=lambda: 1,
    )
    server = HealthServer(nothing, tmp_path)
    server.start()
    try:
        assert running(tmp_path / "state", tmp_path) == {"plant"}
    finally:
        server.stop()
