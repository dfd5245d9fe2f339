"""A configuration that is wrong, or a password: the unit ends with 78, stays so, and says file, line and key."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.appliance.plant import ADAPTER, GENERATION, PLANT_TOML, SINK, Plant

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(120)]
FILE = f"{GENERATION}/{PLANT_TOML}"
PASSWORD = "/var/lib/streamforge/credentials/kafka-sink-file"
EXIT_CONFIG = "78"
MISTAKES = [
    pytest.param("s/^host/hots/", "source.hots", "unknown key", id="unknown key"),
    pytest.param('s/^port.*/port = "fifteen"/', "source.port", "must be a whole number", id="wrong type"),
    pytest.param('/"pump_1_speed"/s/HR10/XR10/', "devices[0].tags[4].at", "XR10", id="no register"),
    pytest.param('0,/type = "uint16"/s//type = "uint17"/', "devices[0].tags[0].type", "uint17", id="no type"),
]


@contextmanager
def replaced(plant: Plant, path: str, command: str, unit: str) -> Iterator[None]:
    """A file changed by hand, and its unit restarted; afterwards both are as before."""
    plant.shell(f"cp -p {path} /run/kept && {command} && systemctl restart '{unit}'", code=None)
    try:
        plant.wait(f"{unit} to give up", lambda: plant.show(unit, "ActiveState") == "failed")
        yield
    finally:
        plant.shell(f"cp -p /run/kept {path} && systemctl start '{unit}'")


def assert_refused(plant: Plant, unit: str) -> None:
    """It ended with 78, and systemd does not try again."""
    assert plant.show(unit, "ExecMainStatus") == EXIT_CONFIG
    assert plant.show(unit, "NRestarts") == "0"
    assert plant.status()[unit]["state"] == "FAILED"


@pytest.mark.parametrize(("edit", "key", "words"), MISTAKES)
def test_a_mistake_in_force_is_shown_with_file_line_and_key(plant: Plant, edit: str, key: str, words: str) -> None:
    since = plant.cursor()
    with replaced(plant, FILE, f"sed -i '{edit}' {FILE}", ADAPTER):
        assert_refused(plant, ADAPTER)
        line = int(
            plant.shell(
                f"diff --unchanged-line-format= --old-line-format=%dn --new-line-format= {FILE} /run/kept", code=1
            )
        )
        [fault] = plant.status()[ADAPTER]["faults"]
        assert (fault["file"], fault["line"], fault["key"]) == (FILE, line, key)
        assert words in fault["message"]
        assert f"{FILE}:{line}: {key}: {fault['message']}" in plant.status_text()
        [said] = plant.events(ADAPTER, "bad_configuration", since)
        assert (said["file"], said["line"], said["key"]) == (FILE, line, key)
    plant.wait_for_work()
    assert plant.status()[ADAPTER]["faults"] == []


def test_a_wrong_kafka_password_names_the_user(plant: Plant) -> None:
    with replaced(plant, PASSWORD, f"printf wrong > {PASSWORD}", SINK):
        assert_refused(plant, SINK)
        assert "the broker refuses the password of Kafka user 'sink-file'" in plant.status()[SINK]["status"]
    plant.wait_for_work()
    plant.assert_balanced()


def test_a_secret_is_kept_encrypted_and_reaches_its_unit_alone(plant: Plant) -> None:
    name = f"{SINK}.cabinet-key"
    try:
        plant.shell(f"printf 'open sesame\\n' | streamforge secret set cabinet-key --unit '{SINK}'")
        assert "sesame" not in plant.shell(f"cat '/etc/credstore.encrypted/{name}'")
        plant.shell(f"systemctl restart '{SINK}'")
        assert plant.shell(f"cat '/run/credentials/{SINK}.service/{name}'") == "open sesame"
        assert plant.shell("ls /run/credentials/*/ | grep -c cabinet-key").strip() == "1"
    finally:
        plant.shell(f"streamforge secret remove cabinet-key --unit '{SINK}' && systemctl restart '{SINK}'")
    plant.wait_for_work()
