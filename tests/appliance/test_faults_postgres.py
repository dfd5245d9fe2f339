"""A real PostgreSQL beside the appliance as its second sink: away, refusing, stopped for a minute; and its password."""

import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.appliance.plant import ADAPTER, SINK, Plant
from tests.postgres import PASSWORD, Postgres

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(240)]
POSTGRES = "streamforge-sink-postgres@plant"
SECRET = f"{POSTGRES}.postgres-password"
STOPPED_SECONDS = 60.0
KILLS = 3
CONFIGURATION = "/run/with-postgres"
KEY = "hostname, adapter_id, epoch, seq, index"
TOML = """
host = "{host}"
port = {port}
database = "plant"
user = "postgres"
password = "${{secret:postgres-password}}"
"""


@pytest.fixture(scope="module")
def server(booted: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server on the host's side of the container's link, with an empty database; not running."""
    one = Postgres(tmp_path_factory.mktemp("postgres"), booted.container.host_address)
    one.initialise()
    one.start()
    one.execute("postgres", "CREATE DATABASE plant")
    one.stop()
    yield one
    one.destroy()


def give_secret(plant: Plant, text: str) -> None:
    """Put the sink's password where docs/configuration.md says."""
    plant.shell(f"printf '%s\\n' '{text}' | install -m 0600 /dev/stdin '/etc/credstore/{SECRET}'")


@pytest.fixture
def postgres(plant: Plant, server: Postgres) -> Iterator[Postgres]:
    """The server, and a configuration that names it as second sink; in force until the test's end."""
    folder = f"{CONFIGURATION}/sinks/postgres"
    toml = TOML.format(host=plant.container.host_address, port=server.port)
    plant.shell(f"rm -rf {CONFIGURATION} && cp -rL /run/load {CONFIGURATION} && mkdir -p {folder}")
    plant.shell(f"cat > {folder}/plant.toml <<'END'\n{toml}END")
    yield server
    plant.shell("streamforge apply /run/load")
    plant.shell(f"rm -f '/etc/credstore/{SECRET}' '/etc/credstore.encrypted/{SECRET}'")
    server.stop()


def stored(server: Postgres) -> tuple[object, ...]:
    """All readings there, and how many of them are different."""
    query = f"SELECT count(*), count(DISTINCT ({KEY})) FROM streamforge.readings"  # noqa: S608 - constants
    return server.rows("plant", query)[0]


def assert_all_stored(plant: Plant, postgres: Postgres) -> None:
    """Every reading stands there once, as it does in topics and files; the account holds for both sinks."""
    plant.assert_balanced()
    with plant.at_rest() as verdict:
        total = verdict.readings - verdict.rejected
        plant.wait("all rows", lambda: stored(postgres) == (total, total))
        assert verdict.faults() == {}
    plant.wait("the adapter", lambda: plant.is_well(ADAPTER))
    plant.assert_balanced()
    assert {row["sink"] for row in plant.ledger()["rows"]} == {"file@export", "postgres@plant"}


def test_without_its_secret_or_with_a_wrong_one_the_sink_says_so_and_stays_down(
    plant: Plant, postgres: Postgres
) -> None:
    postgres.start()
    said = plant.shell(f"streamforge apply {CONFIGURATION}", code=1)
    assert 'the unit has no secret "postgres-password"' in said
    assert plant.show(POSTGRES, "ExecMainStatus") == "78"
    give_secret(plant, "wrong")
    plant.shell(f"systemctl start '{POSTGRES}'", code=None)
    plant.wait("the refusal", lambda: plant.show(POSTGRES, "ActiveState") == "failed")
    assert plant.show(POSTGRES, "ExecMainStatus") == "78"
    [fault] = plant.status()[POSTGRES]["faults"]
    assert (fault["file"], fault["key"]) == ("sinks/postgres/plant.toml", "password")
    assert "the server refuses this user and password" in fault["message"]
    assert plant.is_well(SINK)


def test_a_secret_goes_to_the_unit_that_it_names_and_to_no_other(plant: Plant, postgres: Postgres) -> None:
    postgres.start()
    seal = f"printf '%s' '{PASSWORD}' | systemd-creds encrypt --name='{SECRET}' - '/etc/credstore.encrypted/{SECRET}'"
    plant.shell(seal)
    plant.shell(f"streamforge apply {CONFIGURATION}")
    plant.shell(f"systemctl restart '{ADAPTER}'")
    plant.wait("the sink", lambda: plant.is_well(POSTGRES))
    found = plant.shell("cd /run/credentials && ls streamforge-*/*secret* streamforge-*/*postgres-password", code=None)
    assert [line for line in found.splitlines() if line.endswith("postgres-password")] == [
        f"{POSTGRES}.service/{SECRET}"
    ]
    plant.wait("rows", lambda: plant.delivered(POSTGRES) > 0)


def test_kill_9_of_the_sink_loses_and_doubles_nothing(plant: Plant, postgres: Postgres) -> None:
    postgres.start()
    give_secret(plant, PASSWORD)
    plant.shell(f"streamforge apply {CONFIGURATION}")
    moments = random.Random(POSTGRES)
    for _ in range(KILLS):
        plant.wait("the sink", lambda: plant.is_well(POSTGRES))
        time.sleep(moments.uniform(0.2, 1.5))
        before = plant.show(POSTGRES, "InvocationID")
        plant.signal(plant.main_process(POSTGRES), signal.SIGKILL)
        plant.wait("its next start", lambda old=before: plant.show(POSTGRES, "InvocationID") != old)  # type: ignore[misc]
    plant.wait("the sink", lambda: plant.is_well(POSTGRES))
    assert_all_stored(plant, postgres)


def test_an_unreachable_postgres_is_waited_for_and_one_that_stops_for_a_minute_ends_complete(
    plant: Plant, postgres: Postgres
) -> None:
    since = plant.cursor()
    give_secret(plant, PASSWORD)
    plant.shell(f"streamforge apply {CONFIGURATION}")
    address = f"{plant.container.host_address}:{postgres.port}/plant"
    plant.wait("DEGRADED", lambda: address in plant.status()[POSTGRES]["status"])
    view = plant.status()[POSTGRES]
    assert (view["state"], "refused" in view["status"]) == ("DEGRADED", True)
    assert plant.is_active(POSTGRES)
    postgres.start()
    plant.wait("the sink", lambda: plant.is_well(POSTGRES))
    before = plant.delivered(POSTGRES)
    plant.wait("rows", lambda: plant.delivered(POSTGRES) > before + 300)
    postgres.stop()
    plant.wait("DEGRADED", lambda: plant.health(POSTGRES)["state"] == "DEGRADED")
    time.sleep(STOPPED_SECONDS)  # the minute itself
    assert plant.health(POSTGRES)["details"]["breaker"] != "closed"
    assert plant.is_well(SINK)
    plant.assert_balanced()
    postgres.start()
    plant.wait("the sink", lambda: plant.is_well(POSTGRES))
    assert len(plant.events(POSTGRES, "target_away", since)) == 2, "one warning each time it is away"
    assert_all_stored(plant, postgres)
