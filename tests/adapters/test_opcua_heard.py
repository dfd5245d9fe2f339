"""What a restart of the unit costs is said: from the last that the log has of the server to the new subscription."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamforge.adapters import opcua_heard
from streamforge.adapters.opcua_heard import FILE_NAME, Heard
from streamforge.clock import now_us
from tests.adapters.opcua_peer import Told, running, server
from tests.adapters.test_opcua import config, rows

URL = "opc.tcp://plc:4840"


@pytest.fixture(scope="module")
def plant() -> Iterator[Told]:
    with server() as told:
        yield told


def before(directory: Path, url: str = URL) -> int:
    return Heard(directory, url).before_us


def test_the_first_start_says_nothing_and_a_restart_one_gap(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            assert run.box.events("data_gap") == []
            ended_us = now_us()
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            began_us = now_us()
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            (gap,) = run.box.events("data_gap")
            assert ended_us - 1_000_000 < int(gap.details["from_us"]) <= ended_us + 200_000
            assert began_us <= int(gap.details["to_us"])
            assert gap.details["reason"] == "the adapter did not run, or not with this subscription"

    asyncio.run(main())


def test_what_the_log_does_not_have_is_part_of_the_gap(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 5, "readings")
            run.box.is_logging = False
            silent_us = now_us()
            seen = len(run.box.values("Counter"))
            await run.until(lambda: len(run.box.values("Counter")) > seen + 20, "readings that no log has")
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: len(run.box.events("data_gap")) == 1, "the gap")
            assert int(run.box.events("data_gap")[0].details["from_us"]) <= silent_us

    asyncio.run(main())


def test_it_is_up_to_the_oldest_that_waits(tmp_path: Path) -> None:
    heard = Heard(tmp_path, URL)
    first, second = heard.handed_over(1), heard.handed_over(2)
    second()
    heard.quiet(3)
    heard.save(is_last=True)
    assert before(tmp_path) == 0
    first()
    heard.save(is_last=True)
    assert before(tmp_path) == 2
    heard.quiet(3)
    heard.save(is_last=True)
    assert before(tmp_path) == 3


def test_it_is_written_now_and_then_so_that_a_kill_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard(tmp_path, URL)
    heard.quiet(5)
    heard.save()
    heard.quiet(6)
    heard.save()
    assert before(tmp_path) == 5
    monkeypatch.setattr(opcua_heard, "SAVE_SECONDS", 0.0)
    heard.save()
    assert before(tmp_path) == 6


def test_another_server_was_never_heard_and_a_damaged_file_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"url": URL, "until_us": 7}))
    assert before(tmp_path) == 7
    assert before(tmp_path, "opc.tcp://other:4840") == 0
    (tmp_path / FILE_NAME).write_text("{")
    assert before(tmp_path) == 0
    assert "heard_forgotten" in caplog.text


def test_a_disk_that_does_not_take_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard(tmp_path / "nowhere", URL)
    for at_us in (1, 2):
        heard.quiet(at_us)
        heard.save(is_last=True)
    assert caplog.text.count("heard_not_saved") == 1
