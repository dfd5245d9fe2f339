"""The controller beside a real broker with the topics of the smallest disk: shares, loans, retention, alarms."""

import threading
from collections.abc import Iterator

import pytest

from streamforge.bus.admin import Admin
from streamforge.bus.producer import Producer
from streamforge.codec import encode
from streamforge.gateway.overflow.ahead import Budget, table_retention
from streamforge.gateway.topic_setup import set_up
from streamforge.gateway.topics import MEBIBYTE
from streamforge.health import State
from streamforge.model import Alarm, AlarmState, Event, Severity
from streamforge.progress import Partition
from tests.gateway.overflow.bench import Bench

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
CLEAN, HOUR, TEN, ALARMS = "telemetry.clean", "telemetry.1hour", "telemetry.10s", "alarms.clean"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all; every test has topics of its own, and begins with readers that have everything."""
    with pytest.MonkeyPatch.context() as patch:
        made = Bench(tmp_path_factory.mktemp("site"), patch, has_table=True)
        try:
            yield made
        finally:
            made.stop()


def retention(bench: Bench) -> dict[str, int]:
    with Admin(bench.broker.connection("admin")) as admin:
        table = table_retention(Budget(size_bytes=bench.budget_bytes))
        return {topic: int(size) for topic, size in admin.settings(tuple(table), "retention.bytes").items()}


def told(bench: Bench, topic: str) -> list[Event]:
    return [one for one in bench.events() if one.details["topic"] == topic]


def fill(bench: Bench, topic: str, mebibytes: int, at_once: int) -> None:
    """The controller has a look after so many MiB, which is as much as it looks ahead."""
    for _ in range(mebibytes // at_once):
        bench.fill(topic, at_once)
        bench.overflow._look_at = bench.overflow._act_at = 0.0
        bench.overflow.step(threading.Event())
        bench.step_until("the helper process", lambda: not bench.overflow._helper.is_busy)


def test_what_retention_took_while_nobody_looked_is_told_afterwards_once_and_only_if_a_reader_lacked_it(
    bench: Bench,
) -> None:
    bench.sink(telemetry_1hour=0, telemetry_10s=10**9)
    bench.overflow.step(threading.Event())
    bench.fill(HOUR, 12)
    bench.fill(TEN, 20)
    bench.step_nothing_until("retention", lambda: min(bench.starts(HOUR, TEN).values()) > 0)
    bench.renew()
    bench.step_until("the event", lambda: told(bench, HOUR) != [])
    (event,) = told(bench, HOUR)
    assert (event.details["tier"], event.details["oldest_offset"]) == ("retention", "0")
    assert event.details["undelivered"] == event.details["records"]
    assert event.details["undelivered_to"].startswith("sink-file@slow=")
    assert int(event.details["newest_offset"]) < bench.starts(HOUR)[HOUR]
    assert told(bench, TEN) == []
    bench.renew()
    bench.step_until("a look", lambda: bench.log_bytes() > 0)
    bench.overflow.step(threading.Event())
    assert len(told(bench, HOUR)) == 1


def test_what_a_sink_lacks_borrows_from_what_everybody_has_until_it_is_delivered(bench: Bench) -> None:
    table = table_retention(Budget(size_bytes=bench.budget_bytes))
    bench.sink(telemetry_1hour=10**9)
    bench.renew()
    bench.step_until("that nothing is lent", lambda: retention(bench) == table)
    bench.sink(telemetry_1min=0)
    bench.overflow._ask()
    fill(bench, "telemetry.1min", 24, at_once=1)
    assert table["telemetry.1min"] < 15 * MEBIBYTE, "or it was no loan"
    held = retention(bench)
    assert held["telemetry.1min"] >= 24 * MEBIBYTE
    assert sum(held.values()) == sum(table.values())
    assert bench.starts("telemetry.1min")["telemetry.1min"] == 0
    assert told(bench, "telemetry.1min") == []
    with Admin(bench.broker.connection("topics")) as admin:
        set_up(admin, credentials={}, budget_bytes=bench.budget_bytes)
    assert retention(bench) == held, "streamforge topics leaves a loan alone"
    bench.sink(telemetry_1min=10**9)
    bench.overflow._ask()  # not half a minute later
    bench.step_until("the end of the loan", lambda: retention(bench) == table)


def test_when_nobody_has_anything_left_to_lend_a_loss_is_said_and_retention_never_comes_first(bench: Bench) -> None:
    bench.sink(telemetry_clean=0)
    bench.overflow._ask()
    fill(bench, CLEAN, 180, at_once=6)
    start = bench.starts(CLEAN)[CLEAN]
    assert start > 0
    events = told(bench, CLEAN)
    assert {one.details["tier"] for one in events} <= {"share", "downsample", "evict"}
    assert sum(int(one.details["records"]) for one in events) == start
    assert all(one.details["undelivered"] == one.details["records"] for one in events)
    assert start * 128 * 1024 < 80 * MEBIBYTE, "twice its share was kept"


def alarm(number: int, state: AlarmState) -> Alarm:
    return Alarm(
        alarm_id=f"alarm-{number}",
        asset_id="pump_1",
        type="high",
        severity=Severity.HIGH,
        state=state,
        raised_at_us=1,
        message="x" * 20_000,
    )


def send(bench: Bench, *alarms: Alarm) -> None:
    producer = Producer(bench.broker.connection("admin"), (ALARMS,), compression=None)
    for one in alarms:
        producer.send(Partition(ALARMS), b"pump_1", encode(one), (), lambda _offset: None)
    assert producer.flush(30)
    producer.close()


def test_cleared_alarms_that_every_sink_has_are_thinned_out_when_their_share_is_full_and_no_others(
    bench: Bench,
) -> None:
    send(bench, *(alarm(number, AlarmState.CLEARED) for number in range(100)))
    send(bench, alarm(100, AlarmState.ACKNOWLEDGED))
    send(bench, *(alarm(number, AlarmState.CLEARED) for number in range(101, 900)))
    bench.sink(alarms_clean=0)
    bench.renew()
    bench.step_until("the state", lambda: bench.overflow.health().state is State.UNHEALTHY)
    for _ in range(10):
        bench.overflow.step(threading.Event())
    assert bench.starts(ALARMS)[ALARMS] == 0, "the sink has nothing of them"
    bench.sink(alarms_clean=10**9)
    bench.renew()
    bench.step_until("what bars it", lambda: "alarm-100" in bench.overflow.status())
    assert 0 < bench.starts(ALARMS)[ALARMS] <= 100
    send(bench, alarm(100, AlarmState.CLEARED))
    bench.renew()
    bench.step_until("the rest", lambda: bench.starts(ALARMS)[ALARMS] > 100)
    bench.step_until("room", lambda: bench.overflow.health().state is not State.UNHEALTHY)
    start = bench.starts(ALARMS)[ALARMS]
    events = told(bench, ALARMS)
    assert {one.details["tier"] for one in events} == {"thinning"}
    assert sum(int(one.details["records"]) for one in events) == start
    assert all(one.details["undelivered"] == "0" for one in events)
