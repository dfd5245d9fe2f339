"""What comes off a pulled disk, and what is said of the rest."""

import errno
import gzip
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamforge.codec.segments import DamageKind
from streamforge.gateway.pulled_disk import KAFKA, Folder, folders, logs
from streamforge.gateway.rescue import Rescued, rescue
from streamforge.gateway.rescue_files import LinesWriter
from streamforge.sinks.lines import Layout, encode
from tests.codec.segment_maker import batch
from tests.gateway import pulled


def folder(disk: Path, stem: str) -> Folder:
    (found,) = (one for log in logs(disk) for one in folders(log) if str(one.stem) == stem)
    return found


def rescued(disk: Path, to: Path, stem: str, layout: Layout = Layout.READING) -> tuple[Rescued, list[dict[str, Any]]]:
    """One partition as lines."""
    done = rescue(folder(disk, stem), LinesWriter(to / stem, partial(encode, layout=layout)))
    return done, [json.loads(line) for path in done.files for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize("place", KAFKA)
def test_the_log_is_found_whatever_was_mounted(tmp_path: Path, place: str) -> None:
    data = pulled.make(tmp_path / place)
    found = logs(tmp_path)
    assert [(log.name, log.path) for log in found] == [("", data), ("aside-3", data.parent / "aside" / "3")]
    assert [str(one.stem) for log in found for one in folders(log)] == [
        "alarms.clean-0",
        "dlq.telemetry-0",
        "events.clean-0",
        "telemetry.10s-0",
        "telemetry.clean-0-stray",
        "telemetry.raw-0",
        "aside-3/telemetry.raw-0",
    ]
    assert [log.path for log in logs(data)] == [data]


def test_a_folder_without_a_log_has_none(tmp_path: Path) -> None:
    (tmp_path / "kafka-2").mkdir()
    (tmp_path / "file").write_text("")
    assert logs(tmp_path) == []
    assert logs(tmp_path / "file") == []


def test_every_reading_is_a_line(tmp_path: Path) -> None:
    pulled.make(tmp_path / "kafka")
    done, lines = rescued(tmp_path, tmp_path / "to", "telemetry.raw-0")
    assert (done.records, done.readings, done.undecoded, done.first_offset, done.next_offset) == (18, 54, 0, 0, 18)
    assert not done.damage
    assert len(lines) == 54
    assert [line["metadata"]["seq"] for line in lines[::3]] == list(range(18))
    assert (lines[0]["topic"], lines[0]["parameter"], lines[0]["value"]) == ("telemetry.raw", "pressure", 1.5)
    assert lines[0]["timestamps"]["kafka_time"] == "2026-09-21T14:13:20.000000Z"


def test_every_batch_is_a_line(tmp_path: Path) -> None:
    pulled.make(tmp_path / "kafka")
    _, lines = rescued(tmp_path, tmp_path / "to", "telemetry.raw-0", Layout.BATCH)
    assert [line["offset"] for line in lines] == list(range(18))
    assert lines[0]["values"][2] == "A-100"


@pytest.mark.parametrize("layout", Layout)
def test_what_cannot_be_read_or_is_no_json_keeps_its_bytes(tmp_path: Path, layout: Layout) -> None:
    pulled.make(tmp_path / "kafka")
    done, lines = rescued(tmp_path, tmp_path / "to", "dlq.telemetry-0", layout)
    assert (done.records, done.undecoded) == (4, 3)
    letters = [line.get("dead_letter", line) for line in lines]
    assert [(line["topic"], line["offset"], line["payload"]) for line in letters[:2]] == [
        ("events.raw", 44, "/wA="),
        ("dlq.telemetry", 6, "bm9uZSBvZiBvdXJz"),
    ]
    assert [line["reason"].split(":")[0] for line in letters] == [
        "no frame",
        "no Avro frame",
        "no Avro frame",
        "not JSON",
    ]
    if layout is Layout.BATCH:
        assert [(line["topic"], line["offset"]) for line in lines] == [("dlq.telemetry", 5 + n) for n in range(4)]


@pytest.mark.parametrize(
    ("stem", "key", "value"), [("events.clean-0", "message", "open"), ("alarms.clean-0", "state", "CLEARED")]
)
def test_events_and_alarms(tmp_path: Path, stem: str, key: str, value: str) -> None:
    pulled.make(tmp_path / "kafka")
    _, (line,) = rescued(tmp_path, tmp_path / "to", stem)
    assert line[key] == value


def test_an_empty_partition_makes_no_file(tmp_path: Path) -> None:
    pulled.make(tmp_path / "kafka")
    done, _ = rescued(tmp_path, tmp_path / "to", "telemetry.10s-0")
    assert (done.records, done.files, done.damage) == (0, (), ())
    assert not (tmp_path / "to").exists()


def test_damage_costs_its_batch_alone(tmp_path: Path) -> None:
    data = pulled.make(tmp_path / "kafka")
    segment = data / "telemetry.raw-0" / f"{6:020d}.log"
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    done, lines = rescued(tmp_path, tmp_path / "to", "telemetry.raw-0")
    (damage,) = done.damage
    assert (damage.kind, damage.first_offset, damage.next_offset) == (DamageKind.CORRUPT, 8, 10)
    assert {line["metadata"]["seq"] for line in lines} == set(range(18)) - {8, 9}


def test_a_batch_in_a_codec_of_others_is_listed(tmp_path: Path) -> None:
    data = pulled.make(tmp_path / "kafka")
    segment = data / "events.clean-0" / f"{0:020d}.log"
    segment.write_bytes(batch(0, [b"x", b"y"], codec=4) + batch(2, [b""], attributes=0x20))
    done, lines = rescued(tmp_path, tmp_path / "to", "events.clean-0")
    (damage,) = done.damage
    assert (damage.file, damage.first_offset, damage.next_offset) == (segment, 0, 2)
    assert "zstd" in damage.reason
    assert lines == []


def test_a_folder_that_the_disk_does_not_give_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled.make(tmp_path / "kafka")
    one = folder(tmp_path, "telemetry.raw-0")

    def fails(path: Path) -> Sequence[Path]:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(Path, "iterdir", fails)
    done = rescue(one, LinesWriter(tmp_path / "to" / "x", partial(encode, layout=Layout.READING)))
    assert [damage.kind for damage in done.damage] == [DamageKind.UNREADABLE]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    pulled.make(tmp_path / "kafka")
    rescued(tmp_path, tmp_path / "to", "telemetry.raw-0")
    with pytest.raises(FileExistsError):
        rescued(tmp_path, tmp_path / "to", "telemetry.raw-0")
