"""The file sink: what it says it holds is exactly what stands in its files, whenever it was killed."""

import gzip
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from streamforge.config import load
from streamforge.errors import Rejected
from streamforge.model import Kind
from streamforge.progress import CountKey, Position, Progress
from streamforge.sinks.file import FileConfig, FileSink
from streamforge.sinks.gzip_log import members
from streamforge.sinks.lines import Layout
from tests.sinks.cases import expected, folders, records
from tests.sinks.samples import CLEAN, NOON_US, alarm, batch, event, progress, scans, stored, window


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "export"


def sink(directory: Path, **keys: Any) -> FileSink:
    return FileSink(FileConfig(**{"directory": str(directory), "layout": Layout.BATCH, **keys}), "plant")


def kill(one: FileSink) -> None:
    """What a killed process leaves: an open file less, nothing synced."""
    handle, one._handle = one._handle, None
    os.close(handle or 0)


def lines(directory: Path) -> list[dict[str, Any]]:
    """Every line of every file in the order of writing."""
    paths = sorted(directory.glob("*.ndjson.gz")) + sorted(directory.glob("*.part"))
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


def seqs(directory: Path) -> list[int]:
    return [line["seq"] for line in lines(directory)]


@pytest.mark.parametrize("folder", folders("file"), ids=lambda folder: folder.name)
def test_case(folder: Path, directory: Path) -> None:
    config = load(folder / "config.toml", FileConfig)
    one = sink(directory, layout=config.layout)
    one.connect()
    one.write(records(folder), progress(1))
    assert lines(directory) == expected(folder)


def test_a_new_directory_holds_nothing(directory: Path) -> None:
    assert sink(directory).connect() == Progress()


def test_progress_comes_back_after_a_restart(directory: Path) -> None:
    first = sink(directory)
    first.connect()
    first.write(scans(0, 3), progress(3))
    first.close()
    assert sink(directory).connect() == progress(3)


def test_progress_comes_back_after_a_kill(directory: Path) -> None:
    first = sink(directory)
    first.connect()
    first.write(scans(0, 3), progress(3))
    kill(first)
    assert sink(directory).connect() == progress(3)


def test_zcat_reads_a_part(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 2), progress(2))
    one.write(scans(2, 2), progress(4))
    zcat = subprocess.run(["zcat"], stdin=one.part.open("rb"), capture_output=True, check=True)
    assert [json.loads(line)["seq"] for line in zcat.stdout.splitlines()] == [0, 1, 2, 3]
    assert zcat.stderr == b""


def test_a_kill_at_any_byte_of_a_write_neither_loses_nor_doubles(directory: Path, tmp_path: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 2), progress(2))
    before = one.part.stat().st_size
    one.write(scans(2, 2), progress(4))
    one.close()
    after = one.part.stat().st_size
    whole = one.part.read_bytes()
    torn = tmp_path / "torn"
    for end in range(before, after + 1):
        torn.mkdir(exist_ok=True)
        (torn / one.part.name).write_bytes(whole[:end])
        again = sink(torn)
        held = again.connect()
        assert held == (progress(4) if end == after else progress(2)), f"cut at byte {end - before}"
        again.write(scans(held.positions[CLEAN].next_offset, 2), progress(6))
        kill(again)
        assert seqs(torn) == ([0, 1, 2, 3, 4, 5] if end == after else [0, 1, 2, 3])
        shutil.rmtree(torn)


@pytest.mark.parametrize("damage", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_damage_at_any_byte_of_the_last_member_is_found(directory: Path, damage: bytes) -> None:
    """After a power cut blocks of the tail may hold anything."""
    one = sink(directory)
    one.connect()
    one.write(scans(0, 2), progress(2))
    before = one.part.stat().st_size
    one.write(scans(2, 1), progress(3))
    one.close()
    whole = one.part.read_bytes()
    header_time = range(before + 4, before + 10)  # the time and system bytes carry nothing that matters
    for place in range(before, len(whole)):
        if whole[place : place + 1] == damage or place in header_time:
            continue
        one.part.write_bytes(whole[:place] + damage + whole[place + 1 :])
        again = sink(directory)
        assert again.connect() == progress(2), f"byte {place - before}"
        kill(again)


def test_a_torn_first_member_falls_back_to_the_newest_rotated_file(directory: Path) -> None:
    one = sink(directory, rotate_bytes=65_536)
    one.connect()
    one.write(scans(0, 700, width=50), progress(700))
    one.write(scans(700, 1), progress(701))
    one.close()
    assert len(list(directory.glob("*.ndjson.gz"))) == 1
    one.part.write_bytes(one.part.read_bytes()[:20])
    assert sink(directory).connect() == progress(700)


def test_a_crash_between_rename_and_new_part_loses_nothing(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 3), progress(3))
    one.close()
    one.part.rename(directory / "00000001_20260101T120000Z_telemetry.clean.0.3.ndjson.gz")
    again = sink(directory)
    assert again.connect() == progress(3)
    again.write(scans(3, 1), progress(4))
    again.close()
    assert seqs(directory) == [0, 1, 2, 3]


def test_progress_survives_a_customer_who_takes_the_rotated_files_away(directory: Path) -> None:
    one = sink(directory, rotate_bytes=65_536)
    one.connect()
    one.write(scans(0, 700, width=50), progress(700))
    one._rotate_if_due()
    one.close()
    for path in directory.glob("*.ndjson.gz"):
        path.unlink()
    assert sink(directory).connect() == progress(700)


def test_rotated_names_carry_number_time_and_next_offset(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOON_US / 1e6)
    one = sink(directory, rotate_age_seconds=60)
    one.connect()
    one.write(scans(0, 3), progress(3))
    monkeypatch.setattr("time.time", lambda: NOON_US / 1e6 + 61)
    one.write(scans(3, 1), progress(4))
    assert [path.name for path in directory.glob("*.gz")] == ["00000001_20260101T120000Z_telemetry.clean.0.3.ndjson.gz"]
    assert seqs(directory) == [0, 1, 2, 3]


def test_files_stay_in_order_when_the_clock_steps_back(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sink(directory)
    monkeypatch.setattr("time.time", lambda: NOON_US / 1e6)
    one.connect()
    one.write(scans(0, 1), progress(1))
    monkeypatch.setattr("time.time", lambda: 1000.0)
    one.write(scans(1, 1), progress(2))
    monkeypatch.setattr("time.time", lambda: NOON_US / 1e6)
    one.write(scans(2, 1), progress(3))
    one.close()
    one.part.unlink()
    assert sink(directory).connect() == progress(2)
    assert [path.name[:8] for path in sorted(directory.glob("*.gz"))] == ["00000001", "00000002"]


def test_the_oldest_files_go_when_the_cap_is_reached(directory: Path) -> None:
    one = sink(directory, rotate_bytes=65_536, max_bytes=262_144)
    one.connect()
    for step in range(120):
        one.write(scans(step * 70, 70, width=50), progress((step + 1) * 70))
    one.close()
    assert sum(path.stat().st_size for path in directory.iterdir()) <= 262_144
    kept = seqs(directory)
    assert kept == list(range(kept[0], 120 * 70))
    assert kept[0] > 0


def test_a_repeated_write_is_not_stored_twice(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 3), progress(3))
    one.write(scans(0, 4), progress(4))
    assert seqs(directory) == [0, 1, 2, 3]


def test_offsets_of_a_new_incarnation_are_no_repeat(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 3), progress(3))
    one.write(scans(0, 1), progress(1, incarnation=2))
    assert seqs(directory) == [0, 1, 2, 0]


def test_a_full_disk_is_an_os_error_and_the_next_connect_goes_on(directory: Path, tmp_path: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(scans(0, 1), progress(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (one.part.stat().st_size + 50, hard))
    try:
        with pytest.raises(OSError, match=r"No space left|File too large"):
            one.write(scans(1, 1), progress(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(OSError, match="not connected"):
        one.write(scans(1, 1), progress(2))
    assert one.connect() == progress(1)
    one.write(scans(1, 1), progress(2))
    assert seqs(directory) == [0, 1]


def test_two_processes_cannot_write_one_file(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    with pytest.raises(BlockingIOError, match="another process"):
        sink(directory).connect()


def test_records_that_are_no_json_are_rejected_by_their_place(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    beyond = batch(1, (1.0,), kinds=bytes([Kind.ULONG]), others={0: str(2**64)})
    with pytest.raises(Rejected) as caught:
        one.write(stored([batch(0), beyond, batch(2)]), progress(3))
    assert caught.value.indices == (1,)
    assert one.connect() == Progress()


def test_every_record_of_the_log_fits_both_layouts(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    one.write(stored([batch(0), window(), event(), alarm()]), progress(4))
    assert [line["offset"] for line in lines(directory)] == [0, 1, 2, 3]
    assert lines(directory)[1]["avg"] == [2.0, None]


def test_progress_of_many_epochs_still_fits(directory: Path) -> None:
    many = Progress(
        positions={CLEAN: Position(next_offset=1)},
        counts={
            CountKey(f"adapter-{number % 40}", number): progress(number).counts[CountKey("plant", 1)]
            for number in range(3000)
        },
    )
    one = sink(directory)
    one.connect()
    one.write(scans(0, 1), many)
    one.close()
    assert sink(directory).connect() == many


def test_members_hop_from_header_to_header(directory: Path) -> None:
    one = sink(directory)
    one.connect()
    for number in range(3):
        one.write(scans(number, 1), progress(number + 1))
    found = members(one._handle or 0, one.part.stat().st_size)
    assert [at.progress for at in found] == [Progress(), progress(1), progress(2), progress(3)]


def test_the_state_directory_of_the_unit_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    assert FileSink(FileConfig(), "plant").part == tmp_path / "state" / "plant.ndjson.gz.part"
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("STREAMFORGE_ROOT", str(tmp_path))
    assert FileSink(FileConfig(), "plant").part == tmp_path / "export" / "plant" / "plant.ndjson.gz.part"
