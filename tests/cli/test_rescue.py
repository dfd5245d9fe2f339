"""`streamforge rescue`: its table, its exit codes, and that it leaves the disk alone."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from streamforge.bus.producer import Producer
from streamforge.cli.rescue import run
from streamforge.codec import encode
from streamforge.gateway.throwaway import ThrowAwayBroker
from streamforge.progress import Partition
from tests.gateway import pulled
from tests.repo.tree import ROOT
from tests.samples import batch


def disk(tmp_path: Path) -> Path:
    """A mounted data partition, read-only as far as permissions go."""
    pulled.make(tmp_path / "disk" / "lib" / "streamforge" / "kafka")
    return tmp_path / "disk"


def state(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.rglob("*")}


def test_an_intact_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = disk(tmp_path)
    before = state(mounted)
    assert run([str(mounted), "--to", str(tmp_path / "to"), "--json"]) == 0
    assert state(mounted) == before
    *lines, last = capsys.readouterr().out.splitlines()
    raw = next(line for line in lines if line.startswith("telemetry.raw ")).split()
    assert raw == ["telemetry.raw", "0", "18", "54", "2026-09-21T14:13:20Z", "2026-09-21T14:13:20Z", "-"]
    assert any(line.startswith("aside-3/telemetry.raw ") for line in lines)
    assert any(line.startswith("telemetry.clean (stray) ") for line in lines)
    assert "31 records in 6 files; all intact" in lines
    found = json.loads(last)
    assert (found["is_intact"], found["records"], len(found["partitions"])) == (True, 31, 7)
    written = [Path(path) for one in found["partitions"] for path in one["files"]]
    assert sorted(written) == sorted(path for path in (tmp_path / "to").rglob("*.gz"))
    assert all(gzip.decompress(path.read_bytes()) for path in written)


def test_a_damaged_disk_is_exported_listed_and_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mounted = disk(tmp_path)
    segments = sorted((mounted / "lib/streamforge/kafka/data/telemetry.raw-0").iterdir())
    segments[1].unlink()
    segments[2].write_bytes(segments[2].read_bytes()[:-5])
    assert run([str(mounted), "--to", str(tmp_path / "to"), "--topic", "telemetry.raw", "--json"]) == 1
    out = capsys.readouterr().out
    name = "lib/streamforge/kafka/data/telemetry.raw-0/00000000000000000012.log"
    assert f"  {name} at byte 0, 0 bytes: missing, " in out
    assert "; offsets 6 to 11 (6 records)" in out
    assert "torn_tail, the last batch ends early; offsets from 16 on" in out
    assert "2 damaged stretches" in out
    (in_use, aside) = json.loads(out.splitlines()[-1])["partitions"]
    assert [one["kind"] for one in in_use["damage"]] == ["missing", "torn_tail"]
    assert in_use["damage"][0]["file"] == name
    assert (in_use["records"], aside["records"], aside["log"]) == (10, 6, "aside-3")


def test_nothing_found_names_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run([str(tmp_path / "empty"), "--to", str(tmp_path / "to")]) == 2
    error = capsys.readouterr().err
    assert "meta.properties" in error
    assert str(tmp_path / "empty/var/lib/streamforge/kafka/data") in error
    assert not (tmp_path / "to").exists()


def test_what_cannot_be_done_is_said_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = disk(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for words, message in (
        (["--to", str(mounted / "to")], "where nothing is written"),
        (["--to", str(tmp_path / "full")], "is not an empty directory"),
        (["--topic", "telemetry.rwa"], "no topic telemetry.rwa in"),
        (["--format", "parquet"], "needs pyarrow, which is not installed"),
        (["--format", "parquet", "--layout", "batch"], "a layout of lines"),
    ):
        assert run([str(mounted), *words]) == 2
        assert message in capsys.readouterr().err
    assert run([str(tmp_path / "nowhere")]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_the_json_is_that_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = disk(tmp_path)
    segment = mounted / "lib/streamforge/kafka/data/telemetry.raw-0" / f"{12:020d}.log"
    segment.write_bytes(segment.read_bytes()[:-5])
    run([str(mounted), "--to", str(tmp_path / "to"), "--json"])
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    documented = json.loads((ROOT / "docs" / "rescue.md").read_text().split("```json\n")[1].split("```")[0])
    assert list(documented) == list(shown)
    (damaged,) = (one for one in shown["partitions"] if one["damage"])
    assert list(documented["partitions"][0]) == list(damaged)
    assert list(documented["partitions"][0]["damage"][0]) == list(damaged["damage"][0])


@pytest.mark.broker
def test_the_folder_of_a_real_broker(
    broker: ThrowAwayBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Partition("telemetry.10s")
    producer = Producer(broker.connection("admin"), (place.topic,))
    for seq in range(200):
        producer.send(place, b"pump_1", encode(batch(seq)), (), lambda _offset: None)
    producer.flush(20)
    producer.close()
    assert run([str(broker.broker.data.parent), "--to", str(tmp_path), "--topic", place.topic, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out.splitlines()[-1])["partitions"]
    assert (found["records"], found["readings"], found["undecoded"]) == (200, 600, 0)
    (path,) = tmp_path.iterdir()
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert [json.loads(line)["metadata"]["seq"] for line in lines[::3]] == list(range(200))
