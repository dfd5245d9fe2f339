"""The OPC UA adapter and a server in a process of its own, with a link between them that can be cut."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters import opcua_limits
from streamforge.adapters.opcua_config import (
    BrowseRow,
    DeviceRow,
    Mode,
    NodeRow,
    OpcUaConfig,
    Output,
    Policy,
    Source,
    Subscription,
)
from streamforge.adapters.opcua_feed import Feed, SubscriptionLost
from streamforge.adapters.opcua_limits import Limits, Profile
from streamforge.adapters.opcua_standing import StandingFile
from streamforge.model import AlarmState, Quality, Severity
from tests.adapters.opcua_peer import Told, cable, running, server

NAMESPACE = "nsu=urn:plant:boiler;s="


@pytest.fixture(scope="module")
def plant() -> Iterator[Told]:
    with server() as told:
        yield told


def rows(*names: str) -> tuple[NodeRow, ...]:
    return tuple(NodeRow(param=name, at=f"{NAMESPACE}{name}") for name in names)


def config(port: int, *tags: NodeRow, **more: Any) -> OpcUaConfig:
    source = Source(
        endpoint=f"opc.tcp://127.0.0.1:{port}", security_policy=Policy.NONE, security_mode=Mode.NONE, timeout_ms=2000
    )
    devices = (DeviceRow(asset_id="boiler", tags=tags),) if tags else ()
    subscription = Subscription(publish_ms=100, sampling_ms=20, queue_size=1000, keep_alive_s=1)
    settings = OpcUaConfig(
        source=source,
        output=Output(asset_id="boiler"),
        subscription=subscription,
        devices=devices,
        browse=more.pop("browse", ()),
    )
    return replace(settings, **more)


def go(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_is_subscribed_arrives_with_value_quality_and_the_sources_time(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("Counter", "PT101", "Burner", "Text", "List")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 5, "readings")
            first = run.box.batches[0]
            assert first.asset_id == "boiler"
            assert first.names.kinds == bytes([1, 0, 2, 3, 3])
            assert run.box.values("PT101") == [7.5]
            assert run.box.values("List") == ["[1.5, 2.5]"]
            times = [time for batch in run.box.batches[1:] for time in batch.device_times_us]
            assert times == sorted(times)
            assert times[0] > 0

    go(main())


def test_a_node_is_found_by_uri_index_number_path_and_member_of_an_array(plant: Told, tmp_path: Path) -> None:
    tags = (
        NodeRow(param="state", at="i=2259"),
        NodeRow(param="path", at="/Objects/3:Plant/3:PT101"),
        NodeRow(param="member", at=f"{NAMESPACE}List[1]"),
    )

    async def main() -> None:
        async with running(config(plant.port, *tags), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("member")), "a value")
            assert (run.box.values("state"), run.box.values("path"), run.box.values("member")) == ([0.0], [7.5], [2.5])

    go(main())


def test_what_is_not_there_is_bad_with_a_reason_and_the_rest_goes_on(plant: Told, tmp_path: Path) -> None:
    tags = (*rows("Counter", "Nope"), NodeRow(param="strange", at="nsu=urn:nobody;i=1"))

    async def main() -> None:
        async with running(config(plant.port, *tags), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("Counter") and run.box.readings("Nope")), "both")
            assert run.box.readings("Nope")[0] == (None, Quality.BAD, "BadNodeIdUnknown")
            assert run.box.readings("strange")[0][2] == "config_error: the server has no namespace 'urn:nobody'"
            assert "strange and 1 more" in run.adapter.remarks()[0]

    go(main())


def test_a_status_code_is_quality_and_reason_and_a_value_without_a_time_is_uncertain(
    plant: Told, tmp_path: Path
) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("PT101")), tmp_path) as run:
            for code in (0x808D0000, 0x40900000, 0x00960000, 0x40920000):
                before = len(run.box.readings("PT101"))
                plant.tell(write="PT101", value=8.0, status=code)
                await run.until(lambda n=before: len(run.box.readings("PT101")) > n, hex(code))  # type: ignore[misc]
            plant.tell(write="PT101", value=9.0, timeless=True)
            await run.until(lambda: run.box.readings("PT101")[-1][0] == 9.0, "the value without a time")
            assert [(quality, reason) for _, quality, reason in run.box.readings("PT101")[-5:]] == [
                (Quality.BAD, "BadOutOfService"),
                (Quality.SUSPECT, "UncertainLastUsableValue"),
                (Quality.SUSPECT, "GoodLocalOverride"),
                (Quality.UNCERTAIN, "UncertainInitialValue"),
                (Quality.UNCERTAIN, "no_source_time"),
            ]
            plant.tell(write="PT101", value=7.5)

    go(main())


def test_a_notification_is_acknowledged_only_when_the_log_has_it(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            run.box.is_logging = False
            await run.until(lambda: len(run.box.batches) > 10, "readings")
            feed = run.adapter._reader.subscription.feed
            assert feed.acknowledgements() == [], "nothing is on the log yet"
            kept = await run.adapter._reader.link.session.republish(feed.subscription_id, 1)
            assert kept.SequenceNumber == 1, "the server keeps what was not acknowledged"
            run.box.is_logging = True
            run.box.acknowledge()
            assert [one.SequenceNumber for one in feed.acknowledgements()][:3] == [1, 2, 3]

    go(main())


def consecutive(values: list[Any]) -> list[tuple[Any, Any]]:
    """The places where a counter does not go up by one."""
    return [(one, two) for one, two in pairwise(values) if two != one + 1]


@pytest.mark.parametrize(
    ("seconds", "hang_up"),
    [
        (1, True),
        (5, False),
        pytest.param(12, True, marks=pytest.mark.slow),
        pytest.param(30, False, marks=pytest.mark.slow),
    ],
)
def test_a_cut_of_the_link_leaves_no_hole(plant: Told, tmp_path: Path, seconds: int, hang_up: bool) -> None:
    """A counter goes up by one; after the cut every number has come, once, in order."""

    async def main() -> None:
        async with cable(plant.port) as link, running(config(link.port, *rows("Counter", "Spare")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            link.cut(hang_up=hang_up)
            await asyncio.sleep(seconds)
            seen = len(run.box.values("Counter"))
            link.mend()
            await run.until(lambda: len(run.box.values("Counter")) > seen + seconds * 20 + 10, "what was missed", 40.0)
            values = run.box.values("Counter")
            assert consecutive(values) == []
            assert run.box.events("data_gap") == []
            assert run.connected == 2
            assert run.box.values("Spare") == [1.0, 1.0], "what did not change still holds, and is said once"

    go(main())


def test_a_server_that_forgets_the_subscription_costs_one_gap_with_its_times(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            plant.tell(forget=True)
            seen = len(run.box.values("Counter"))
            await run.until(lambda: len(run.box.values("Counter")) > seen + 10, "readings again")
            (gap,) = run.box.events("data_gap")
            assert 0 < int(gap.details["from_us"]) <= int(gap.details["to_us"])
            assert gap.asset_id == "boiler"

    go(main())


def test_a_subscription_that_ends_while_what_it_kept_is_asked_for_is_a_gap_and_no_more(
    plant: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = Feed.resume
    asked: list[Feed] = []

    async def first_only(self: Feed, session: Any) -> Any:
        asked.append(self)
        if len(asked) == 2:
            raise SubscriptionLost("BadSubscriptionIdInvalid")
        return await resume(self, session)

    async def main() -> None:
        async with cable(plant.port) as link, running(config(link.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            link.cut(hang_up=True)
            await asyncio.sleep(0.5)
            monkeypatch.setattr(Feed, "resume", first_only)
            link.mend()
            await run.until(lambda: len(run.box.events("data_gap")) == 1, "the gap")
            seen = len(run.box.values("Counter"))
            await run.until(lambda: len(run.box.values("Counter")) > seen + 5, "readings again")
            assert run.is_alive

    go(main())


def test_a_server_that_starts_anew_is_subscribed_to_anew(tmp_path: Path) -> None:
    async def main() -> None:
        with server() as first:
            async with running(config(first.port, *rows("Counter")), tmp_path) as run:
                await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
                first.stop(kill=True)
                with server(port=first.port, others=3):  # and gives its namespace another index
                    await run.until(lambda: len(run.box.events("data_gap")) == 1, "the gap")
                    seen = len(run.box.values("Counter"))
                    await run.until(lambda: len(run.box.values("Counter")) > seen + 5, "readings of the new one")

    go(main())


def test_a_node_that_is_deleted_is_bad_alone_and_read_again_when_it_is_there_again(
    plant: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamforge.adapters.opcua.RETRY_SECONDS", 0.2)
    plant.tell(add="Gone")

    async def main() -> None:
        async with running(config(plant.port, *rows("Counter", "Gone")), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("Gone")), "its value")
            plant.tell(delete="Gone")
            await run.until(lambda: (None, Quality.BAD, "BadNodeIdUnknown") in run.box.readings("Gone"), "its end")
            seen = len(run.box.values("Counter"))
            await run.until(lambda: len(run.box.values("Counter")) > seen + 5, "the others")
            before = len(run.box.values("Gone"))
            plant.tell(add="Gone")
            await run.until(lambda: len(run.box.values("Gone")) > before, "its value again")
            assert run.connected == 1
        plant.tell(delete="Gone")

    go(main())


def test_what_is_polled_keeps_status_and_time(plant: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own read of a value raises where it is Uncertain, and drops the times of several."""
    monkeypatch.setitem(opcua_limits._PROFILES, Profile.S7_1200, Limits(items=1))
    settings = config(plant.port, *rows("Counter", "PT101"), poll_interval_ms=50)
    settings = replace(settings, source=replace(settings.source, profile=Profile.S7_1200))

    async def main() -> None:
        async with running(settings, tmp_path) as run:
            plant.tell(write="PT101", value=8.5, status=0x40920000)
            await run.until(
                lambda: (8.5, Quality.UNCERTAIN, "UncertainInitialValue") in run.box.readings("PT101"), "it"
            )
            polled = next(batch for batch in reversed(run.box.batches) if batch.names.parameters == ("PT101",))
            assert polled.device_times_us[0] > 0
            plant.tell(write="PT101", value=7.5)

    go(main())


def test_samples_that_did_not_fit_a_queue_are_counted_and_one_gap(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port, *rows("PT101")), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("PT101")), "its value")
            for value in (8.25, 8.5):
                plant.tell(write="PT101", value=value, status=0x480)
                await run.until(lambda v=value: v in run.box.values("PT101"), "it")  # type: ignore[misc]
            (gap,) = run.box.events("data_gap")
            assert gap.details["reason"] == "queues ran over at the server: 1 samples are marked so"
            assert run.adapter.figures() == {
                ("", "items_monitored"): 1.0,
                ("", "items_polled"): 0.0,
                ("", "samples_lost"): 2.0,
            }
            plant.tell(write="PT101", value=7.5)

    go(main())


def test_a_unit_stops_soon_though_the_server_says_nothing(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with cable(plant.port) as link, running(config(link.port, *rows("Counter")), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("Counter")), "readings")
            link.cut(hang_up=False)
            await asyncio.wait_for(run.adapter.close(), 3.0)

    go(main())


def test_browsing_finds_by_globs_and_follows_the_servers_changes(plant: Told, tmp_path: Path) -> None:
    row = BrowseRow(at=f"{NAMESPACE}Plant", include=("P*", "New*"), exclude=("Spare",), param="b.{name}")

    async def main() -> None:
        async with running(config(plant.port, browse=(row,)), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("b.PT101")), "the browsed variable")
            names = {name for batch in run.box.batches for name in batch.names.parameters}
            assert names == {"b.PT101"}
            plant.tell(add="New1")
            await run.until(lambda: bool(run.box.values("b.New1")), "the new variable")
            plant.tell(delete="New1")
            await run.until(lambda: (None, Quality.BAD, "removed") in run.box.readings("b.New1"), "its end")

    go(main())


def test_browsing_looks_again_though_the_server_does_not_say_that_its_nodes_have_changed(
    plant: Told, tmp_path: Path
) -> None:
    settings = config(plant.port, browse=(BrowseRow(at=f"{NAMESPACE}Plant", include=("P*", "Quiet")),))

    async def main() -> None:
        async with running(replace(settings, browse_again_hours=0), tmp_path) as run:
            await run.until(lambda: bool(run.box.values("PT101")), "the browsed variable")
            plant.tell(add="Quiet", quiet=True)
            await run.until(lambda: bool(run.box.values("Quiet")), "the new variable")
        plant.tell(delete="Quiet")

    go(main())


def test_alarms_are_raised_acknowledged_and_cleared_and_said_again_after_a_cut(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with cable(plant.port) as link:
            settings = config(link.port, *rows("Counter"))
            settings = replace(settings, subscription=replace(settings.subscription, alarms=True))
            async with running(settings, tmp_path) as run:
                await run.until(lambda: bool(run.box.values("Counter")), "readings")
                assert run.adapter.remarks() == []
                plant.tell(alarm={"active": True, "acked": False})
                await run.until(lambda: len(run.box.alarms) == 1, "the alarm")
                plant.tell(alarm={"active": True, "acked": True})
                await run.until(lambda: len(run.box.alarms) == 2, "its acknowledgement")
                link.cut(hang_up=True)
                plant.tell(alarm={"active": False, "acked": True})
                link.mend()
                await run.until(lambda: len(run.box.alarms) == 3, "its end")
                first = run.box.alarms[0]
                assert (first.type, first.severity, first.message) == ("TooHot", Severity.HIGH, "Drum: drum too hot")
                assert [one.state for one in run.box.alarms] == [
                    AlarmState.UNACKNOWLEDGED,
                    AlarmState.ACKNOWLEDGED,
                    AlarmState.CLEARED,
                ]
                assert len({one.alarm_id for one in run.box.alarms}) == 1

    go(main())


def test_an_alarm_that_ends_while_the_unit_is_away_is_cleared_when_it_comes_back(plant: Told, tmp_path: Path) -> None:
    settings = config(plant.port, *rows("Counter"))
    settings = replace(settings, subscription=replace(settings.subscription, alarms=True))

    async def main() -> None:
        async with running(settings, tmp_path) as run:
            await run.until(lambda: bool(run.box.values("Counter")), "readings")
            plant.tell(alarm={"active": True, "acked": False})
            await run.until(lambda: len(run.box.alarms) == 1, "the alarm")
            raised = run.box.alarms[0]
        plant.tell(alarm={"active": False, "acked": True})
        async with running(settings, tmp_path) as run:
            await run.until(lambda: len(run.box.alarms) == 1, "its end")
            assert (run.box.alarms[0].alarm_id, run.box.alarms[0].state) == (raised.alarm_id, AlarmState.CLEARED)
        async with running(settings, tmp_path) as run:
            await run.until(lambda: len(run.box.values("Counter")) > 10, "readings")
            assert run.box.alarms == []

    go(main())


def test_a_file_of_alarms_that_cannot_be_read_is_said_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "conditions.json").write_text('[{"severity": "HIGH"}]')
    assert StandingFile(tmp_path).load() == {}
    assert "conditions_forgotten" in caplog.text
