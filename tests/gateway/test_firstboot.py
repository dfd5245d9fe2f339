"""What every gateway makes for itself once, and survives being cut short."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from streamforge import durable
from streamforge.gateway import firstboot
from streamforge.gateway.certificate import self_signed
from streamforge.gateway.firstboot import PASSWORD_LINE, FirstBoot, new_password, welcome
from streamforge.gateway.passwords import verify
from streamforge.gateway.principals import PRINCIPALS


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstBoot:
    monkeypatch.setattr(socket, "gethostname", lambda: "cabinet-7")
    (tmp_path / "console").touch()
    root = tmp_path / "root"
    return FirstBoot(root=root, console=tmp_path / "console", hostname_file=tmp_path / "hostname")


def shown_password(boot: FirstBoot) -> str:
    lines = boot.console.read_text().splitlines()
    return next(line.removeprefix(PASSWORD_LINE).strip() for line in lines if line.startswith(PASSWORD_LINE))


def files(boot: FirstBoot) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in boot.credentials.iterdir()}


def test_every_principal_gets_its_own_password_and_only_root_reads_it(boot: FirstBoot) -> None:
    boot.run()
    made = files(boot)
    passwords = {made[f"kafka-{principal.name}"] for principal in PRINCIPALS}
    assert len(passwords) == len(PRINCIPALS)
    assert all(len(password) == 36 and password.isalnum() for password in passwords)
    assert boot.credentials.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in boot.credentials.iterdir()} == {0o600}


def test_the_first_password_is_shown_on_the_console_and_only_its_hash_is_kept(boot: FirstBoot) -> None:
    boot.run()
    password = shown_password(boot)
    assert verify(password, files(boot)["admin-password-hash"].decode())
    assert not any(password.encode() in content for content in files(boot).values())


def test_the_console_says_where_the_page_is_and_how_to_know_it(boot: FirstBoot) -> None:
    boot.run()
    text = boot.console.read_text()
    assert "https://cabinet-7.local/" in text
    certificate = x509.load_pem_x509_certificate(files(boot)["page-certificate.pem"])
    from cryptography.hazmat.primitives import hashes

    assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() in text


def test_a_second_boot_changes_and_shows_nothing(boot: FirstBoot) -> None:
    boot.run()
    before, gateway_id = files(boot), (boot.root / "gateway-id").read_text()
    boot.console.write_text("")
    boot.run()
    assert files(boot) == before
    assert (boot.root / "gateway-id").read_text() == gateway_id
    assert boot.console.read_text() == ""


def test_a_principal_that_an_update_brings_gets_its_password_at_the_next_boot(boot: FirstBoot) -> None:
    boot.run()
    (boot.credentials / "kafka-web").unlink()
    before = files(boot)
    boot.run()
    assert files(boot).keys() - before.keys() == {"kafka-web"}
    assert {name: files(boot)[name] for name in before} == before


@pytest.mark.parametrize("step", range(16))
def test_power_lost_at_any_write_leaves_a_boot_that_completes(
    boot: FirstBoot, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The draft stands there half written, the rename never came."""

    class PowerCut(Exception):  # noqa: N818
        pass

    writes = 0

    def write(path: Path, content: bytes, *, mode: int = durable.SECRET_MODE) -> None:
        nonlocal writes
        writes += 1
        if writes > step:
            path.with_name(f".{path.name}.part").write_bytes(content[:3])
            raise PowerCut
        durable.write_durably(path, content, mode=mode)

    with monkeypatch.context() as patch:
        patch.setattr(firstboot, "write_durably", write)
        if step < 15:
            with pytest.raises(PowerCut):
                boot.run()
    boot.console.write_text("")
    boot.run()
    assert not [name for name in files(boot) if name.endswith(".part")]
    assert verify(shown_password(boot), files(boot)["admin-password-hash"].decode())


def test_without_a_console_the_page_can_start_and_a_boot_that_has_one_shows_the_password(boot: FirstBoot) -> None:
    boot.console.unlink()
    boot.run()
    with pytest.raises(ValueError, match="not a password hash"):
        verify("", files(boot)["admin-password-hash"].decode())
    assert "could not be shown" in boot.status()
    boot.console.touch()
    boot.run()
    assert "was shown" in boot.status()
    assert verify(shown_password(boot), files(boot)["admin-password-hash"].decode())


def test_a_host_without_a_name_gets_one_of_its_own(boot: FirstBoot, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    monkeypatch.setattr(socket, "sethostname", given.append)
    boot.run()
    name = f"streamforge-{(boot.root / 'gateway-id').read_text()[:6]}"
    assert given == [name]
    assert boot.hostname_file.read_text() == f"{name}\n"


def test_the_journal_never_sees_a_password(tmp_path: Path) -> None:
    console = tmp_path / "console"
    console.touch()
    environment = os.environ | {"STREAMFORGE_ROOT": str(tmp_path / "root"), "STREAMFORGE_CONSOLE": str(console)}
    code = (
        "import socket, sys; socket.gethostname = lambda: 'cabinet-7';"
        "from streamforge.gateway.firstboot import main; sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert PASSWORD_LINE in console.read_text()
    for line in (result.stdout + result.stderr).splitlines():
        assert json.loads(line.partition(">")[2])["event"] == "hostname_not_kept"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which only sleeping moves."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda step: clock.__setitem__(0, clock[0] + step))
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0")])
    return clock


def test_the_first_boot_waits_for_an_address_and_shows_it(
    seconds: list[float], boot: FirstBoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = ip_address("192.0.2.7")
    monkeypatch.setattr(firstboot, "network_addresses", lambda: (lease,) if seconds[0] > 4 else ())
    boot.run()
    assert "https://192.0.2.7/" in boot.console.read_text()
    boot.run()
    assert 4 < seconds[0] < 5


def test_a_gateway_without_a_cable_boots_and_says_that_it_has_no_address(
    seconds: list[float], boot: FirstBoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firstboot, "network_addresses", lambda: (ip_address("127.0.0.1"),))
    boot.run()
    assert "There is no network address yet" in boot.console.read_text()
    assert seconds[0] < 11


def test_a_host_without_a_network_interface_waits_for_nothing(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo")])
    monkeypatch.setattr(firstboot, "network_addresses", tuple)
    assert firstboot.await_address() == ()
    assert seconds == [0.0]


def test_passwords_are_readable_and_never_the_same() -> None:
    made = {new_password() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(password) == 19 and not set(password) & set("ilou") for password in made)


def test_a_gateway_that_boots_in_1970_has_a_valid_certificate_when_it_learns_the_time() -> None:
    made = self_signed("cabinet-7", (ip_address("192.0.2.7"),), datetime(1970, 1, 1, tzinfo=UTC))
    certificate = x509.load_pem_x509_certificate(made.certificate_pem)
    assert certificate.not_valid_before_utc < datetime(2026, 1, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc > datetime(2036, 1, 1, tzinfo=UTC)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cabinet-7", "cabinet-7.local", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.0.2.7")]


def test_the_welcome_names_no_loopback_address() -> None:
    text = welcome("cabinet-7", (ip_address("192.0.2.7"), ip_address("127.0.0.1")), "pass", "AA:BB")
    assert "https://192.0.2.7/" in text
    assert "127.0.0.1" not in text
