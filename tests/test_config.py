"""A configuration is read strictly, and what is wrong with it is said all at once, where it stands."""

import tomllib
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest

from streamforge.config import Bounds, Limits, kind_of, load, secrets_of
from streamforge.config.lines import lines
from streamforge.errors import ConfigError, Fault


class Parity(StrEnum):
    EVEN = "even"
    ODD = "odd"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    param: str
    scale: float = 1.0
    deadband: float | str | None = None
    category: str = field(default="", metadata={"key": "class"})

    def __post_init__(self) -> None:
        if not self.scale:
            msg = "scale is 0"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    host: str
    port: Annotated[int, Bounds(1, 65535)] = 502
    ratio: Annotated[float, Bounds(least=0.0)] = 1.0
    protocol: str = ""
    is_on: bool = True
    parity: Parity = Parity.EVEN
    level: Level = Level.LOW
    order: Literal["ABCD", "CDAB"] = "ABCD"
    units: Annotated[tuple[int, ...], Bounds(most=3)] = ()
    tags: tuple[Tag, ...] = ()
    registers: dict[str, Tag] = field(default_factory=dict)
    password: str | None = None
    limits: Limits = field(default_factory=Limits)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plant.toml"


def faults(file: Path, text: str, secrets: dict[str, str] | None = None) -> tuple[Fault, ...]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, Plant, secrets=secrets.__getitem__ if secrets is not None else None)
    return caught.value.faults


def test_every_type_is_read_as_its_annotation_says(file: Path) -> None:
    file.write_text("""
host = "plc"
ratio = 2
parity = "odd"
level = "high"
order = "CDAB"
units = [1, 2]
registers.40001 = { param = "t", deadband = "1%" }
[[tags]]
param = "speed"
deadband = 0.5
class = "EVENT"
[limits]
memory = "128M"
""")
    assert load(file, Plant) == Plant(
        host="plc",
        ratio=2.0,
        parity=Parity.ODD,
        level=Level.HIGH,
        order="CDAB",
        units=(1, 2),
        registers={"40001": Tag(param="t", deadband="1%")},
        tags=(Tag(param="speed", deadband=0.5, category="EVENT"),),
        limits=Limits(memory="128M"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('hots = "plc"\nhost = "x"', '1: hots: unknown key (did you mean "host"?)'),
        ('host = "x"\nprot = 1', '2: prot: unknown key (did you mean "port"?)'),
        ('host = "x"\nzzz = 1', "2: zzz: unknown key (known: "),
        ("\nport = 1", "1: host: missing (this table needs host = ...)"),
        ("host = 1", "1: host: must be text, not 1 (write it in quotes)"),
        ('host = "x"\nport = "502"', '2: port: must be a whole number, not "502" (write it without quotes)'),
        ('host = "x"\nport = 1.5', "2: port: must be a whole number, not 1.5"),
        ('host = "x"\nport = true', "2: port: must be a whole number, not true"),
        ('host = "x"\nis_on = 1', "2: is_on: must be true or false, not 1"),
        ('host = "x"\nport = 0', "2: port: 0 is out of bounds, must be from 1 to 65535"),
        ('host = "x"\nratio = -1', "2: ratio: -1.0 is out of bounds, must be at least 0.0"),
        ('host = "x"\nunits = [1,2,3,4]', "2: units: has length 4, must be at most 3"),
        ('host = "x"\nunits = [1,\n "2"]', '3: units[1]: must be a whole number, not "2"'),
        ('host = "x"\nunits = 1', "2: units: must be a list, not 1"),
        ('host = "x"\nlimits = 1', "2: limits: must be a table, not 1"),
        ('host = "x"\nparity = "evn"', '2: parity: "evn" is not one of even, odd (did you mean "even"?)'),
        ('host = "x"\nlevel = 1', '2: level: "1" is not one of low, high'),
        ('host = "x"\norder = "AB"', '2: order: "AB" is not one of ABCD, CDAB'),
        ('host = "x"\n[[tags]]\nparam = "a"\n[[tags]]\nscale = 2', "4: tags[1].param: missing"),
        ('host = "x"\n[[tags]]\nparam = "a"\n[[tags]]\nparam="b"\nscale = 0', "4: tags[1]: scale is 0"),
        ('host = "x"\n[registers]\n"4 1" = { param = "a", scael = 2 }', '3: registers.4 1.scael: unknown key (did you'),
        ('host = "x"\n[limits]\nmemory = "lots"', '2: limits: memory = "lots" is not a size such as "128M"'),
        ('host = "x"\nhost = "y"\nport = 1', "2: not TOML: Cannot overwrite a value at column"),
        ('host = "x"\nunits = [1', "2: not TOML: "),
    ],
)  # fmt: skip
def test_a_fault_names_line_key_and_what_would_be_right(file: Path, text: str, words: str) -> None:
    assert f"{file}:{words}" in "\n".join(map(str, faults(file, text)))


def test_all_faults_come_at_once_in_the_order_of_the_file(file: Path) -> None:
    found = faults(file, 'port = 0\nparity = "x"\nlimts = 1\n[[tags]]\n[[tags]]\nparam = 3\nscale = "a"\n')
    assert [(fault.line, fault.key) for fault in found] == [
        (1, "host"), (1, "port"), (2, "parity"), (3, "limts"), (4, "tags[0].param"), (6, "tags[1].param"),
        (7, "tags[1].scale"),
    ]  # fmt: skip


def test_a_file_that_is_not_there_or_not_text_is_a_fault(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(file, Plant)
    file.write_bytes(b'host = "x"\nparity = "\xff"')
    with pytest.raises(ConfigError, match=":2: not UTF-8"):
        load(file, Plant)


def test_a_secret_is_resolved_in_the_unit_and_left_alone_by_check(file: Path) -> None:
    file.write_text('host = "x"\npassword = "user:${secret:db-password}"')
    assert load(file, Plant).password == "user:${secret:db-password}"
    assert load(file, Plant, secrets={"db-password": "s3"}.__getitem__).password == "user:s3"


def test_a_missing_secret_is_a_fault_of_its_line_and_never_shown(file: Path) -> None:
    text = 'host = "x"\n[[tags]]\nparam = "${secret:a}"\nscale = "${secret:b}"'
    found = faults(file, text, {"b": "hush"})
    assert str(found[0]).removeprefix(f"{file}:").startswith('3: tags[0].param: the unit has no secret "a"')
    assert "hush" not in str(found[0])


def test_a_secret_that_makes_no_sense_is_a_fault_that_does_not_show_it(file: Path) -> None:
    text = 'host = "x"\nport = "${secret:a}"\nparity = "${secret:b}"'
    found = faults(file, text, {"a": "hush", "b": "hu'sh\\"})
    assert [fault.key for fault in found] == ["port", "parity"]
    assert 'must be a whole number, not "${secret:a}"' in str(found[0])
    assert "hu" not in "".join(fault.message for fault in found)


def test_a_name_of_a_secret_cannot_leave_its_directory(file: Path) -> None:
    assert "is not a name of a secret" in str(faults(file, 'host = "${secret:../../etc/shadow}"', {})[0])


def test_a_unit_has_the_secrets_that_carry_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "streamforge-sink-file@a.db").write_text("pass word\n")
    (tmp_path / "kafka-password").write_text("not for a TOML")
    assert secrets_of("streamforge-sink-file@a")("db") == "pass word"
    for name in ("other", "kafka-password"):
        with pytest.raises(OSError, match="No such file"):
            secrets_of("streamforge-sink-file@a")(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("modbus_tcp", "modbus-tcp"), ("Modbus TCP", "modbus-tcp"), ("xbee_modbus", "xbee"), ("postgresql", "postgres")],
)
def test_protocols_have_one_kind_whatever_they_are_called(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_the_protocol_agrees_with_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "adapters" / "modbus-tcp"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text('host = "x"\nprotocol = "modbus_tcp"')
    assert load(folder / "a.toml", Plant).protocol == "modbus_tcp"
    (folder / "a.toml").write_text('host = "x"\nprotocol = "opc_ua"')
    with pytest.raises(ConfigError, match=r'a.toml:2: protocol: "opc_ua" stands in the folder of modbus-tcp'):
        load(folder / "a.toml", Plant)


TEXT = '''
# comment [not] = "a table"
a = """
b = 1
""" # c
"quoted.key" = 1
'lit"eral' = 2
e.f."g h" = [ # one
  1, "]", # two
  { x = 1, y = [ 2,
      3 ] },
]
[t.u]
k = { a.b = 1, c = "}" }
[[l]]
x = 1979-05-27T07:32:00Z
[[l.m]]
y = -1.5e3
[[l.m]]
y = """x"""""
[l.n]
z = \'\'\'it's
two\'\'\'
[[l]]
x = "\\" # \\\\"
[l.n]
"\\u007A\\"" = nan
'''


def test_lines_are_those_of_the_text() -> None:
    tomllib.loads(TEXT)
    found = lines(TEXT)
    assert {path: found[path] for path in EXPECTED} == EXPECTED


EXPECTED: dict[tuple[str | int, ...], int] = {
    ("a",): 3,
    ("quoted.key",): 6,
    ('lit"eral',): 7,
    ("e", "f"): 8,
    ("e", "f", "g h"): 8,
    ("e", "f", "g h", 0): 9,
    ("e", "f", "g h", 1): 9,
    ("e", "f", "g h", 2, "y"): 10,
    ("e", "f", "g h", 2, "y", 1): 11,
    ("t", "u"): 13,
    ("t", "u", "k", "a", "b"): 14,
    ("t", "u", "k", "c"): 14,
    ("l", 0): 15,
    ("l", 0, "x"): 16,
    ("l", 0, "m", 0, "y"): 18,
    ("l", 0, "m", 1): 19,
    ("l", 0, "m", 1, "y"): 20,
    ("l", 0, "n", "z"): 22,
    ("l", 1): 24,
    ("l", 1, "x"): 25,
    ("l", 1, "n", 'z"'): 27,
}


ROOT = Path(__file__).parents[1]
SHIPPED = [ROOT / "pyproject.toml", *ROOT.glob("streamforge/*/*.toml"), *ROOT.glob("rootfs/usr/share/**/*.toml")]


@pytest.mark.parametrize("text", [TEXT, *(path.read_text() for path in SHIPPED)], ids=str.__len__)
def test_every_value_of_a_text_has_a_line(text: str) -> None:
    def paths(raw: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
        items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
        return {path}.union(*(paths(item, (*path, key)) for key, item in items))

    assert paths(tomllib.loads(text)) - {()} <= lines(text).keys()
