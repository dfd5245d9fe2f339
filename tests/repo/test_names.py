"""One name, everywhere: a kind has its module, sample, unit, page, tests and first case folder, and all agree."""

import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from streamforge.cli.find import component_class, kinds, sample
from streamforge.config import load
from streamforge.config.build import toml_key
from streamforge.gateway.instances import TRANSFORMS, Role
from tests.repo.tree import ROOT

UNIT = re.compile(r"streamforge-(adapter|transform|sink)-([a-z0-9-]+?)@?\.service")
UNITS = {(Role(m[1]), m[2]) for path in (ROOT / "units").iterdir() if (m := UNIT.fullmatch(path.name))}
ALL = sorted({(role, kind) for role in Role for kind in kinds(role)} | UNITS)
every_kind = pytest.mark.parametrize(("role", "kind"), ALL)


@every_kind
def test_a_kind_has_its_six(role: Role, kind: str) -> None:
    name = kind.replace("-", "_")
    at = "" if role is Role.TRANSFORM else "@"
    six = (
        f"streamforge/{role.folder}/{name}.py",
        f"streamforge/{role.folder}/{name}.toml",
        f"units/streamforge-{role}-{kind}{at}.service",
        f"docs/{role.folder}/{kind}.md",
        f"tests/{role.folder}/test_{name}.py",
    )
    missing = [path for path in six if not (ROOT / path).exists()]
    cases = ROOT / "tests" / "cases" / kind
    if not cases.is_dir() or not any(case.is_dir() for case in cases.iterdir()):
        missing.append(f"tests/cases/{kind}/<case>/")
    assert not missing


def test_the_transforms_are_those_that_apply_starts() -> None:
    assert sorted(kinds(Role.TRANSFORM)) == sorted(TRANSFORMS)


@every_kind
def test_the_module_has_one_concrete_class_with_its_configuration(role: Role, kind: str) -> None:
    assert is_dataclass(component_class(role, kind).Config)


@every_kind
def test_the_unit_starts_its_own_kind_with_its_own_password(role: Role, kind: str) -> None:
    at = "" if role is Role.TRANSFORM else "@"
    text = (ROOT / "units" / f"streamforge-{role}-{kind}{at}.service").read_text()
    instance = "" if role is Role.TRANSFORM else " %i"
    assert f"ExecStart=/usr/bin/streamforge {role} {kind}{instance}\n" in text
    assert f"LoadCredential=kafka-password:/var/lib/streamforge/credentials/kafka-{role}-{kind}\n" in text


@every_kind
def test_the_sample_is_a_good_configuration(role: Role, kind: str) -> None:
    load(sample(role, kind), component_class(role, kind).Config)


@every_kind
def test_the_sample_shows_every_key(role: Role, kind: str) -> None:
    text = sample(role, kind).read_text()
    in_comments = set(re.findall(r"^#\s*([a-z_0-9]+)\s*=", text, re.MULTILINE))
    shown = set(_shown(tomllib.loads(text)))
    known = {(cls, path[-1]) for cls, path in _wanted(component_class(role, kind).Config) if path in shown}
    absent = {
        path
        for cls, path in _wanted(component_class(role, kind).Config)
        if (cls, path[-1]) not in known and path[-1] not in in_comments
    }
    assert not absent


def _shown(raw: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of a TOML text: all elements of a list are one, and so are all keys of a table of any names."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield (*path, key)
            yield from _shown(value, (*path, key))
            yield from _shown(value, (*path, "*"))
    elif isinstance(raw, list):
        for value in raw:
            yield from _shown(value, path)


def _wanted(cls: type[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[type[Any], tuple[str, ...]]]:
    """Each field with its dataclass: a table that may stand in two places needs to be shown in one."""
    hints = typing.get_type_hints(cls)
    for item in fields(cls):
        here = (*path, toml_key(item))
        yield cls, here
        for inner in _dataclasses(hints[item.name]):
            is_named = typing.get_origin(hints[item.name]) is dict
            yield from _wanted(inner, (*path, "*", "*") if is_named else here)


def _dataclasses(kind: Any) -> Iterator[type[Any]]:
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for argument in typing.get_args(kind):
        yield from _dataclasses(argument)
