"""What the image holds and how a fresh boot of it looks, in the container."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.appliance.container import IMAGE, PACKAGE, Container
from tests.appliance.demo import first_password, wait_for_flow
from tests.appliance.journal import unexpected

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(180)]
FIRST_READING_SECONDS = 20.0
APPLIANCE_PROGRAMS = IMAGE / "usr/bin"


@pytest.fixture(scope="module")
def appliance() -> Iterator[Container]:
    """A freshly booted appliance with the simulated plant, up to its first clean reading."""
    with Container() as container:
        wait_for_flow(container)
        yield container


@pytest.mark.parametrize("program", ["gcc", "cc", "pip", "pip3", "sshd", "make"])
def test_programs_that_an_appliance_does_not_need_are_not_there(program: str) -> None:
    assert not (APPLIANCE_PROGRAMS / program).exists()
    assert not (IMAGE / "usr/sbin" / program).exists()


def test_every_module_of_ours_has_byte_code_that_never_asks_for_the_time_of_its_source() -> None:
    for source in (IMAGE / PACKAGE).rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, f"{compiled}: not an unchecked hash"


def test_the_first_reading_comes_in_time(appliance: Container) -> None:
    first = wait_for_flow(appliance)
    assert first >= 0
    booted = float(appliance.run("systemctl", "show", "--property=UserspaceTimestampMonotonic").stdout.split("=")[1])
    validator = appliance.properties("streamforge-transform-validator", "ActiveEnterTimestampMonotonic")
    since_boot_us = float(validator["ActiveEnterTimestampMonotonic"]) - booted
    assert since_boot_us / 1e6 < FIRST_READING_SECONDS


def test_no_unit_failed_and_the_journal_holds_nothing_unknown(appliance: Container) -> None:
    assert appliance.failed_units() == []
    assert unexpected(appliance.journal("--priority=warning")) == []


def test_nothing_below_usr_can_be_written(appliance: Container) -> None:
    assert appliance.run("touch", "/usr/lib/streamforge/x").returncode != 0


def test_the_class_archive_is_used(appliance: Container) -> None:
    entries = appliance.journal("--unit=kafka.service")
    assert not [entry for entry in entries if "shared archive" in str(entry["MESSAGE"])]
    maps = appliance.run("sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null").stdout
    assert "/usr/lib/streamforge/kafka/kafka.jsa" in maps


def test_the_first_password_is_on_the_console_and_not_in_the_journal(appliance: Container) -> None:
    password = first_password(appliance)
    assert password
    assert password not in appliance.run("journalctl", "--boot", "--output=cat").stdout


def test_each_gateway_has_a_name_of_its_own(appliance: Container) -> None:
    assert appliance.run("uname", "-n").stdout.strip().startswith("streamforge-")


def test_credentials_are_roots_alone(appliance: Container) -> None:
    mode = appliance.run("stat", "--format=%a %U", "/var/lib/streamforge/credentials").stdout.strip()
    assert mode == "700 root"


def test_the_journal_is_capped(appliance: Container) -> None:
    text = appliance.run("systemd-analyze", "cat-config", "systemd/journald.conf").stdout
    assert "SystemMaxUse=100M" in text
    assert "MaxRetentionSec=7day" in text


def test_the_page_answers_on_the_network(appliance: Container) -> None:
    command = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"]
    found = subprocess.run([*command, f"https://{appliance.address}/"], capture_output=True, text=True, check=False)
    assert found.stdout in {"200", "302", "303"}


def test_it_stops_in_order_and_comes_back_with_its_readings() -> None:
    with Container() as container:
        wait_for_flow(container)
        before = container.run("cat", "/var/lib/streamforge/gateway-id").stdout
        started = time.monotonic()
        container.shut_down()
        assert time.monotonic() - started < 45
        container.start()
        wait_for_flow(container)
        assert container.run("cat", "/var/lib/streamforge/gateway-id").stdout == before
        assert container.failed_units() == []
