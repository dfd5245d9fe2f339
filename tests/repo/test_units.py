"""Every unit as the appliance's own systemd judges it (the host's is older and misjudges), and our shell scripts."""

import os
import subprocess
from pathlib import Path

import pytest

from streamforge.gateway.principals import PRINCIPALS
from tests.appliance.container import IMAGE, REPOSITORY

UNITS = sorted(path.name for path in (REPOSITORY / "units").glob("*.service"))
ROOT_ONESHOTS = {"streamforge-firstboot.service", "streamforge-instances.service", "streamforge-reconcile.service"}
# Those that open a serial port see the devices of the machine, though they may use only such ports.
SERIAL = {f"streamforge-adapter-{kind}@.service" for kind in ("modbus-rtu", "xbee", "lora")}
# Tenths, as --threshold= wants them.
MOST_EXPOSED, MOST_EXPOSED_SERIAL, MOST_EXPOSED_ROOT_ONESHOT = 12, 13, 20
CREDENTIALS = "/var/lib/streamforge/credentials"


def inside(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the image in the image, without booting it."""
    command = ["systemd-nspawn", "--quiet", "--pipe", "--register=no", "--volatile=overlay", "--private-network",
               f"--machine=units{os.getpid()}", "--directory", str(IMAGE)]  # fmt: skip
    if not Path("/run/systemd/system").is_dir():
        command.append("--keep-unit")
    return subprocess.run([*command, *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def instance(unit: str) -> str:
    return unit.replace("@.", "@x.")


def credentials(unit: str) -> set[str]:
    """The LoadCredential= lines of a unit."""
    lines = (REPOSITORY / "units" / unit).read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("LoadCredential=") for line in lines if line.startswith("LoadCredential=")}


@pytest.mark.appliance
def test_systemd_has_nothing_to_say_about_our_units() -> None:
    targets = [path.name for path in (REPOSITORY / "units").glob("streamforge*.[pst][oal]*") if path.is_file()]
    names = sorted({*map(instance, UNITS), *(name for name in targets if not name.endswith(".service"))})
    result = inside("systemd-analyze", "verify", "--man=no", *names)
    ours = [line for line in result.stderr.splitlines() if "streamforge" in line or "kafka" in line]
    assert ours == []
    assert result.returncode == 0


@pytest.mark.appliance
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_within_its_figure(unit: str) -> None:
    most = MOST_EXPOSED_SERIAL if unit in SERIAL else MOST_EXPOSED
    most = MOST_EXPOSED_ROOT_ONESHOT if unit in ROOT_ONESHOTS else most
    path = f"/usr/lib/systemd/system/{unit}"
    result = inside("systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={most}", path)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr


def test_an_adapter_unit_is_read_in_seven_lines() -> None:
    lines = (REPOSITORY / "units/streamforge-adapter-modbus-tcp@.service").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 7


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_gets_the_password_of_its_own_principal(unit: str) -> None:
    name = unit.removesuffix(".service").removesuffix("@").removeprefix("streamforge-")
    if name in {principal.name for principal in PRINCIPALS}:
        assert f"kafka-password:{CREDENTIALS}/kafka-{name}" in credentials(unit)


@pytest.mark.parametrize(("unit", "principal"), [("streamforge-topics.service", "topics"), ("kafka.service", "kafka")])
def test_the_units_that_make_users_see_every_principal(unit: str, principal: str) -> None:
    """And nobody else: who is new stands in `gateway/principals.py` and in these two units."""
    expected = {f"kafka-{one.name}:{CREDENTIALS}/kafka-{one.name}" for one in PRINCIPALS}
    own = f"kafka-password:{CREDENTIALS}/kafka-{principal}"
    assert credentials(unit) == expected | {own}


@pytest.mark.parametrize(
    "script", ["build-image.sh", ".ci/run", "mkosi.finalize", "mkosi.build.chroot", "hw-profiles/ipc/mkosi.clean"]
)
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    result = subprocess.run(["shellcheck", REPOSITORY / script], check=False, capture_output=True, text=True)
    assert result.stdout == ""
    assert result.returncode == 0


def test_the_build_script_stays_short() -> None:
    assert len((REPOSITORY / "build-image.sh").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_broker_asks_for_reconcile_whenever_it_serves_and_waits_for_nothing() -> None:
    """Root asks (the broker's user may not); without waiting, for reconcile comes after this very unit."""
    lines = (REPOSITORY / "units/kafka.service").read_text(encoding="utf-8").splitlines()
    assert "ExecStartPost=-+/usr/bin/systemctl --no-block restart streamforge-reconcile.service" in lines
    reconcile = (REPOSITORY / "units/streamforge-reconcile.service").read_text(encoding="utf-8")
    assert "After=kafka.service" in reconcile
    assert "RemainAfterExit=yes" in reconcile, "or every start of an adapter, which wants it, would run it again"


@pytest.mark.parametrize("kind", ["adapter", "transform", "sink"])
def test_who_writes_or_reads_the_log_starts_after_reconcile(kind: str) -> None:
    lines = (
        (REPOSITORY / f"units/streamforge-{kind}-.service.d/20-{kind}.conf").read_text(encoding="utf-8").splitlines()
    )
    after = next(line for line in lines if line.startswith("After="))
    wants = next(line for line in lines if line.startswith("Wants="))
    assert "streamforge-reconcile.service" in after
    assert "streamforge-reconcile.service" in wants


def test_the_doctor_comes_before_the_broker_and_the_barrier_before_both() -> None:
    kafka = (REPOSITORY / "units/kafka.service").read_text(encoding="utf-8").splitlines()
    starts = [line for line in kafka if line.startswith("ExecStart")]
    assert starts.index("ExecStartPre=-/usr/bin/streamforge doctor") < starts.index(
        "ExecStart=/usr/bin/streamforge kafka"
    )
    syncd = (REPOSITORY / "units/streamforge-syncd.service").read_text(encoding="utf-8").splitlines()
    assert "Before=kafka.service" in syncd
    assert not [line for line in syncd if line.startswith(("After=", "Requires=", "Wants="))], "it waits for nobody"


def test_every_lasting_unit_has_a_bound_of_its_memory() -> None:
    lasting = [
        name for name in UNITS if "Type=oneshot" not in (REPOSITORY / "units" / name).read_text(encoding="utf-8")
    ]
    unbounded = [name for name in lasting if not any("MemoryMax=" in text for text in configuration_of(name))]
    assert unbounded == []


def configuration_of(unit: str) -> list[str]:
    """The text of a unit and of the drop-ins of its own and of its prefixes."""
    folder = REPOSITORY / "units"
    words = unit.removesuffix(".service").split("-")
    names = [unit, *("-".join([*words[:count], ""]) + ".service" for count in range(1, len(words)))]
    drop_ins = [path for name in names for path in sorted((folder / f"{name}.d").glob("*.conf"))]
    return [path.read_text(encoding="utf-8") for path in [folder / unit, *drop_ins]]
