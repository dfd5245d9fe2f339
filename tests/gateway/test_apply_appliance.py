"""Apply on the real appliance: systemd's own word for what stopped, restarted and was left alone."""

from collections.abc import Iterator

import pytest

from tests.appliance.container import Container

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(300)]
ADAPTER, SINK = "streamforge-adapter-modbus-tcp@plant.service", "streamforge-sink-file@export.service"
NEW = "/run/new"


@pytest.fixture(scope="module")
def appliance() -> Iterator[Container]:
    """The demo, booted."""
    with Container(plant=True) as container:
        yield container


@pytest.fixture
def fresh(appliance: Container) -> Container:
    """With a copy of the configuration in force to change."""
    done = appliance.run("sh", "-c", f"rm -rf {NEW} && cp -rL /etc/streamforge {NEW}")
    assert done.returncode == 0, done.stderr
    return appliance


def started(container: Container, unit: str) -> str:
    """What changes with every start of the unit."""
    return container.properties(unit, "InvocationID")["InvocationID"]


def shell(container: Container, text: str) -> tuple[int, str]:
    done = container.run("sh", "-c", text)
    return done.returncode, done.stdout + done.stderr


def test_the_same_again_leaves_everything_alone(fresh: Container) -> None:
    before = started(fresh, ADAPTER), started(fresh, SINK)
    assert shell(fresh, f"streamforge apply {NEW}")[0] == 0
    assert (started(fresh, ADAPTER), started(fresh, SINK)) == before


def test_limits_restart_one_unit_and_hold(fresh: Container) -> None:
    adapter, sink = started(fresh, ADAPTER), started(fresh, SINK)
    table = r'\n[limits]\nmemory = "96M"\ncpu = "250%%"\n'
    code, said = shell(fresh, f"printf '{table}' >> {NEW}/adapters/modbus-tcp/plant.toml; streamforge apply {NEW}")
    assert code == 0, said
    assert "cpu 250% is cut to its template's 100%" in said
    assert started(fresh, ADAPTER) != adapter
    assert started(fresh, SINK) == sink
    found = fresh.properties(ADAPTER, "MemoryMax", "CPUQuotaPerSecUSec", "ActiveState")
    assert found == {"MemoryMax": str(96 * 1024**2), "CPUQuotaPerSecUSec": "1s", "ActiveState": "active"}


def test_a_typo_is_refused_with_file_line_and_key_and_changes_nothing(fresh: Container) -> None:
    before = started(fresh, ADAPTER), fresh.run("readlink", "/var/lib/streamforge/config/current").stdout
    file = f"{NEW}/adapters/modbus-tcp/plant.toml"
    code, said = shell(fresh, f"sed -i 's/^host/hots/' {file}; streamforge apply {NEW}")
    assert code == 78
    assert f'{file}:9: source.hots: unknown key (did you mean "host"?)' in said
    assert (started(fresh, ADAPTER), fresh.run("readlink", "/var/lib/streamforge/config/current").stdout) == before


def test_what_is_gone_stops_and_what_is_new_starts(fresh: Container) -> None:
    sinks = f"{NEW}/sinks/file"
    code, said = shell(fresh, f"mv {sinks}/export.toml {sinks}/other.toml; streamforge apply {NEW}")
    assert code == 0, said
    assert fresh.properties(SINK, "ActiveState") == {"ActiveState": "inactive"}
    assert fresh.properties("streamforge-sink-file@other.service", "ActiveState") == {"ActiveState": "active"}
