"""A change of configuration touches the units that it concerns, and no other."""

from functools import partial
from pathlib import Path

import pytest

from streamforge.errors import ConfigError
from streamforge.gateway.apply import apply, boot, laggards, plan
from streamforge.gateway.generations import Store
from streamforge.gateway.instances import check
from tests.gateway.configurations import Recorder, loaders, write

CHECK = partial(check, loaders=loaders)
ALL = "sink-file@export transform-validator transform-aggregator adapter-modbus-tcp@a"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "config")


@pytest.fixture
def systemctl(tmp_path: Path) -> Recorder:
    return Recorder(drop_ins=tmp_path / "run")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source", adapters__modbus_tcp__a="value = 1", sinks__file__export="", gateway="")


@pytest.fixture
def running(store: Store, source: Path, systemctl: Recorder) -> Store:
    """A gateway that has booted with `source`."""
    boot(source, store, CHECK, systemctl)
    systemctl.heard()
    return store


def test_a_plan_is_the_difference() -> None:
    found = plan({"a": "1", "b": "1", "c": "1"}, {"b": "1", "c": "2", "d": "1"})
    assert (found.stop, found.restart, found.start, found.keep) == (("a",), ("c",), ("d",), ("b",))


def test_the_first_boot_makes_a_generation_of_the_factory_and_starts_all(
    store: Store, source: Path, systemctl: Recorder
) -> None:
    done = boot(source, store, CHECK, systemctl)
    assert (done.number, store.current()) == (1, 1)
    assert systemctl.heard() == [f"start {ALL}"]


def test_the_next_boot_starts_what_is_in_force_whatever_the_factory_says(
    running: Store, source: Path, systemctl: Recorder
) -> None:
    write(source, sinks__file__other="")
    assert boot(source, running, CHECK, systemctl).number == 1
    assert systemctl.heard() == [f"start {ALL}"]


def test_a_damaged_generation_is_replaced_by_the_newest_complete_one(
    running: Store, source: Path, systemctl: Recorder
) -> None:
    apply(source, running, CHECK, systemctl)
    (running.path(2) / "gateway.toml").unlink()
    assert boot(source, running, CHECK, systemctl).number == 1
    assert running.current() == 1


def test_the_same_again_touches_nothing(running: Store, source: Path, systemctl: Recorder) -> None:
    done = apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == []
    assert done.number == running.current() == 2
    assert len(done.plan.keep) == 4


def test_a_changed_file_restarts_its_unit_alone(running: Store, source: Path, systemctl: Recorder) -> None:
    write(source, adapters__modbus_tcp__a="value = 2")
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["restart adapter-modbus-tcp@a"]


def test_a_new_file_is_started_and_a_removed_one_stopped(running: Store, source: Path, systemctl: Recorder) -> None:
    write(source, adapters__modbus_tcp__b="")
    (source / "sinks/file/export.toml").unlink()
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["stop sink-file@export", "restart adapter-modbus-tcp@b"]


def test_a_unit_that_systemd_gave_up_gets_its_starts_back(running: Store, source: Path, systemctl: Recorder) -> None:
    systemctl.properties["streamforge-adapter-modbus-tcp@a"] = {"ActiveState": "failed"}
    write(source, adapters__modbus_tcp__a="value = 2")
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["reset-failed adapter-modbus-tcp@a", "restart adapter-modbus-tcp@a"]


def test_the_same_again_starts_what_systemd_gave_up(running: Store, source: Path, systemctl: Recorder) -> None:
    systemctl.properties["streamforge-sink-file@export"] = {"ActiveState": "failed"}
    done = apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["reset-failed sink-file@export", "restart sink-file@export"]
    assert done.plan.start == ("streamforge-sink-file@export",)


def test_a_unit_that_systemd_gave_up_leaves_nothing_behind(running: Store, source: Path, systemctl: Recorder) -> None:
    systemctl.properties["streamforge-sink-file@export"] = {"ActiveState": "failed"}
    (source / "sinks/file/export.toml").unlink()
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["stop sink-file@export", "reset-failed sink-file@export"]


def test_a_changed_disk_limit_concerns_the_topics_alone(running: Store, source: Path, systemctl: Recorder) -> None:
    write(source, gateway='[kafka]\ndisk_limit = "2G"')
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["restart topics"]


def test_a_bad_configuration_touches_nothing(running: Store, source: Path, systemctl: Recorder) -> None:
    write(source, adapters__modbus_tcp__a="valeu = 2")
    with pytest.raises(ConfigError, match="valeu"):
        apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == []
    assert running.current() == 1


class Killed(BaseException):
    """The process is killed."""


def test_an_apply_that_was_killed_half_way_is_made_good_by_the_next(
    running: Store, source: Path, systemctl: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(source, adapters__modbus_tcp__a="value = 2")

    def killed(self: Recorder, *words: str) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "run", killed)
        with pytest.raises(Killed):
            apply(source, running, CHECK, systemctl)
    apply(source, running, CHECK, systemctl)
    assert systemctl.heard() == ["restart adapter-modbus-tcp@a"]


def test_who_comes_up_is_not_mentioned_and_who_does_not_says_why(systemctl: Recorder) -> None:
    systemctl.properties["a"] = {"ActiveState": "active"}
    systemctl.properties["b"] = {"ActiveState": "failed", "StatusText": "bad configuration: a.toml:3"}
    assert laggards(("a", "b"), systemctl) == ("b is failed: bad configuration: a.toml:3",)


def test_patience_ends(systemctl: Recorder) -> None:
    systemctl.properties["a"] = {"ActiveState": "activating", "Result": "success", "StatusText": ""}
    assert laggards(("a",), systemctl, patience_seconds=0.0) == ("a is activating: success",)


LIMITS = 'value = 1\n[limits]\nmemory = "128M"\ncpu = "50%"'
UNIT = "streamforge-adapter-modbus-tcp@a"


def test_limits_become_a_drop_in_of_the_unit(running: Store, source: Path, systemctl: Recorder) -> None:
    systemctl.properties[UNIT] = {"MemoryMax": str(256 * 1024**2), "CPUQuotaPerSecUSec": "1s"}
    write(source, adapters__modbus_tcp__a=LIMITS)
    apply(source, running, CHECK, systemctl)
    drop_in = systemctl.drop_ins / f"{UNIT}.service.d" / "50-limits.conf"
    assert drop_in.read_text() == f"[Service]\nMemoryMax={128 * 1024**2}\nCPUQuota=50%\n"
    assert systemctl.heard() == ["daemon-reload", "restart adapter-modbus-tcp@a"]


def test_limits_above_the_templates_own_are_cut_and_said(running: Store, source: Path, systemctl: Recorder) -> None:
    systemctl.properties[UNIT] = {"MemoryMax": str(64 * 1024**2), "CPUQuotaPerSecUSec": "400ms"}
    write(source, adapters__modbus_tcp__a=LIMITS)
    done = apply(source, running, CHECK, systemctl)
    assert done.notes == (
        f"{UNIT}: memory 128M is cut to its template's 64M",
        f"{UNIT}: cpu 50% is cut to its template's 40%",
    )
    assert (systemctl.drop_ins / f"{UNIT}.service.d" / "50-limits.conf").read_text() == "[Service]\n"


def test_limits_that_are_gone_take_their_drop_in_with_them(running: Store, source: Path, systemctl: Recorder) -> None:
    write(source, adapters__modbus_tcp__a=LIMITS)
    apply(source, running, CHECK, systemctl)
    write(source, adapters__modbus_tcp__a="value = 1")
    apply(source, running, CHECK, systemctl)
    assert list(systemctl.drop_ins.iterdir()) == []
