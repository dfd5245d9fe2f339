"""Frame counters outlive the process, and a line that is torn counts as never written."""

from pathlib import Path

import pytest

from streamforge.adapters.lora_counters import FILE, FrameCounters, counter_key

A, B = counter_key(0x49BE7DF1, b"k" * 16), counter_key(0x49BE7DF2, b"k" * 16)


def opened(directory: Path, *keys: str) -> FrameCounters:
    counters = FrameCounters(directory)
    counters.open(keys)
    return counters


def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    counters = opened(tmp_path, A, B)
    assert (counters.get(A), counters.get("other")) == (-1, -1)
    counters.put(A, 7)
    counters.put(A, 2**32 - 1)
    counters.put(B, 0)
    killed = FrameCounters(tmp_path)  # nothing was synced or closed
    assert (killed.get(A), killed.get(B)) == (2**32 - 1, 0)
    counters.sync()
    counters.close()
    counters.close()


def test_a_device_that_is_gone_keeps_its_counter_and_new_keys_begin_anew(tmp_path: Path) -> None:
    first = opened(tmp_path, A)
    first.put(A, 7)
    first.close()
    opened(tmp_path, B).close()
    assert opened(tmp_path, A, B).get(A) == 7
    assert counter_key(0x49BE7DF1, b"n" * 16) != A
    assert A.startswith("49be7df1")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 37, b"49be7df1"])
def test_a_damaged_line_is_none_and_the_others_stay(tmp_path: Path, damage: bytes) -> None:
    counters = opened(tmp_path, A, B)
    counters.put(A, 7)
    counters.put(B, 8)
    counters.close()
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(damage.ljust(len(lines[0]) - 1, b"?")[: len(lines[0]) - 1] + b"\n" + lines[1])
    again = opened(tmp_path, A, B)
    assert (again.get(A), again.get(B)) == (-1, 8)
    again.put(A, 9)
    assert FrameCounters(tmp_path).get(A) == 9
