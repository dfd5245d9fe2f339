"""Generations are complete or not there, and `current` always leads to a complete one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamforge.errors import ConfigError
from streamforge.gateway.generations import KEEP, Store, is_complete
from streamforge.gateway.instances import check
from tests.gateway.configurations import loaders, write

CHECK = partial(check, loaders=loaders)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "config")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source", adapters__modbus_tcp__a="value = 1", gateway="")


def put(store: Store, source: Path) -> int:
    with store.locked():
        number = store.add(source, CHECK)
        store.switch(number)
        store.prune()
    return number


def test_the_first_generation_is_number_one(store: Store, source: Path) -> None:
    assert store.current() is None
    assert put(store, source) == 1
    assert store.current() == 1
    assert (store.link / "adapters/modbus-tcp/a.toml").read_text() == "value = 1"
    assert store.link.readlink() == Path("generations/1")


def test_every_unit_may_read_it_whatever_the_umask(store: Store, source: Path) -> None:
    before = os.umask(0o077)
    try:
        put(store, source)
    finally:
        os.umask(before)
    for path in (store.directory, *store.directory.rglob("*[!k]")):
        if not path.name.startswith("."):
            assert path.stat().st_mode & 0o044 == 0o044, path


def test_the_manifest_has_a_hash_of_every_file(store: Store, source: Path) -> None:
    put(store, source)
    manifest = json.loads((store.link / "manifest.json").read_text())
    assert sorted(manifest["files"]) == ["adapters/modbus-tcp/a.toml", "gateway.toml"]
    assert is_complete(store.path(1))


def test_a_changed_file_makes_it_incomplete(store: Store, source: Path) -> None:
    put(store, source)
    put(store, source)
    (store.path(2) / "gateway.toml").write_text("#")
    assert not is_complete(store.path(2))
    assert store.newest_complete() == 1


def test_a_bad_one_changes_nothing_and_is_told_by_the_names_of_its_source(store: Store, source: Path) -> None:
    put(store, source)
    write(source, adapters__modbus_tcp__a="valeu = 1")
    with pytest.raises(ConfigError, match=f"^{source}/adapters/modbus-tcp/a.toml:1: valeu"):
        put(store, source)
    assert store.current() == 1
    assert [path.name for path in store.generations.iterdir()] == ["1"]


def test_five_are_kept(store: Store, source: Path) -> None:
    for _ in range(KEEP + 3):
        put(store, source)
    assert store.numbers() == (4, 5, 6, 7, 8)


def test_the_one_in_force_is_kept_however_old(store: Store, source: Path) -> None:
    put(store, source)
    with store.locked():
        for _ in range(KEEP + 1):
            store.add(source, CHECK)
        store.prune()
    assert store.numbers() == (1, 3, 4, 5, 6, 7)


def test_hidden_files_stay_behind_and_links_out_are_refused(store: Store, source: Path, tmp_path: Path) -> None:
    (source / ".gateway.toml.swp").write_text("x")
    put(store, source)
    assert not (store.link / ".gateway.toml.swp").exists()
    (source / "schemas").mkdir()
    (tmp_path / "shadow").write_text("secret")
    (source / "schemas" / "a.avsc").symlink_to(tmp_path / "shadow")
    with pytest.raises(ConfigError, match="leads out of the configuration"):
        put(store, source)


def test_a_wrong_directory_is_refused_before_it_is_copied(store: Store, tmp_path: Path) -> None:
    huge = tmp_path / "stick"
    huge.mkdir()
    with (huge / "film").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    with pytest.raises(ConfigError, match="too large"):
        put(store, huge)


ENDLESS = """
import sys
from pathlib import Path
from typing import Any
from tests.gateway.test_generations import Store, put
store, source = Store(Path(sys.argv[1])), Path(sys.argv[2])
put(store, source)
print("ready", flush=True)
while True:
    put(store, source)
"""


def test_killed_at_any_instant_there_is_a_complete_generation(store: Store, source: Path) -> None:
    chance = random.Random(3)
    for _ in range(12):
        command = [sys.executable, "-c", ENDLESS, str(store.directory), str(source)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as endless:
            assert endless.stdout is not None
            assert endless.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.03))
            endless.send_signal(signal.SIGKILL)
        current = store.current()
        assert current is not None
        assert is_complete(store.path(current))
        assert all(is_complete(store.path(number)) for number in store.numbers())


STEPS = ("os.fsync", "os.open", "pathlib.Path.rename", "pathlib.Path.symlink_to", "shutil.rmtree", "pathlib.Path.mkdir")


class Cut(BaseException):
    """The power goes."""


def test_cut_at_every_step_there_is_a_complete_generation(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(KEEP):
        put(store, source)
    for step in range(200):
        left = step

        def cutting(real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Cut
            left -= 1
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            for name in STEPS:
                owner, _, attribute = name.rpartition(".")
                place = Path if owner == "pathlib.Path" else sys.modules[owner]
                real = getattr(place, attribute)
                patch.setattr(place, attribute, lambda *a, _real=real, **k: cutting(_real, *a, **k))
            try:
                put(store, source)
                break
            except Cut:
                pass
        current = store.current()
        assert current is not None
        assert is_complete(store.path(current)), step
    else:
        pytest.fail("never came through")
    assert step > 20
    assert put(store, source) == store.current()
