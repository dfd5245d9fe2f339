"""What is remembered of a device, and which of its changes are new."""

from streamforge.adapters.device_record import DeviceRecord, DeviceState


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
