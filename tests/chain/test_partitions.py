"""The whole chain over a log of three partitions: an adapter numbers over all of them, and the ledger balances."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from streamforge.adapters.epochs import noted
from streamforge.bench.chain import adapter_toml
from streamforge.bench.site import Site
from streamforge.bus.reader import Reader
from streamforge.gateway import ledger
from streamforge.gateway.ledger import AdapterCount, Ledger, Question, Said
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from tests.broker import provide_archive, provide_jars
from tests.chain import checker
from tests.chain.test_kills import ADAPTER, FILE, LOAD, REJECTS_SOME, admin, delivered, start, start_all

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
PARTITIONS = 3


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    provide_jars()
    with (
        ThrowAwayBroker(tmp_path / "broker", archive=provide_archive(), partitions=PARTITIONS) as broker,
        Site(tmp_path / "site", broker) as running,
    ):
        port = free_port()
        running.write("adapters/modbus-tcp/line.toml", adapter_toml(LOAD, port))
        running.write("sinks/file/out.toml", "[batch]\nage_ms = 200\n")
        running.write("transforms/validator.toml", REJECTS_SOME)
        running.start("sim", "web", "sim", "--port", str(port), "--load", f"{LOAD.devices}x{LOAD.registers}")
        running.barrier()
        start_all(running)
        running.wait_for("delivery", lambda: delivered(running) > 2000)
        yield running


def taken(site: Site) -> Ledger:
    """As `streamforge ledger` takes it: with what is noted of who does not run."""
    state = site.directory / "state"
    adapters = {
        (adapter, one.epoch): AdapterCount(read=one.read, dropped=one.dropped, incarnation=one.incarnation)
        for adapter, counts in noted(state).items()
        for one in counts
    }
    question = Question(
        directory=site.run,
        before=Said(adapters=adapters, sinks=ledger.noted_progress(state)),
        configured=ledger.configured_sinks(site.config),
    )
    return ledger.taken(admin(site), question)[0]


def evict_half_of_what_waits(site: Site) -> None:
    """The oldest half of each clean partition's records goes, whoever waits for them."""
    connection = admin(site)
    reader = Reader(connection)
    places = reader.partitions("telemetry.clean")
    starts, ends = reader.starts(places), reader.ends(places)
    reader.close()
    client = KafkaAdminClient(**connection.kwargs())
    held = ledger.noted_progress(site.directory / "state")["file@out"].positions
    try:
        client.delete_records({
            TopicPartition(*place): (max(starts[place], held[place].next_offset if place in held else 0) + end) // 2
            for place, end in ends.items()
        })  # fmt: skip
    finally:
        client.close()


def test_it_balances_while_units_stop_and_the_log_gives_way(site: Site) -> None:
    running = taken(site)
    assert running.balanced, running.to_json()
    assert site.stop(FILE) == 0, site.logs()
    before = taken(site).totals()["waiting"]
    site.wait_for("a backlog", lambda: taken(site).totals()["waiting"] > before + 2000)
    waiting = taken(site)
    assert waiting.balanced, waiting.to_json()
    assert waiting.rows[0].note == "does not run: delivered as it noted last"

    evict_half_of_what_waits(site)
    evicted = taken(site)
    assert evicted.balanced, evicted.to_json()
    lost = evicted.totals()["evicted"]
    assert lost > 0

    assert site.stop(ADAPTER) == 0, site.logs()
    start(site, FILE)
    site.wait_for("the sink to have all", lambda: taken(site).totals()["waiting"] == 0)
    (row,) = taken(site).rows
    assert row.balanced, row
    assert row.evicted == lost, "counted once, before and after the sink went on"
    export = checker.in_export(site.directory / "state" / FILE)
    assert max(export.values()) == 1
    assert row.delivered == len(export)
