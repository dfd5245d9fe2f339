"""What a configuration directory means: its units, what each reads, and what is wrong with it."""

from pathlib import Path

from streamforge.gateway.instances import check, digests, instances
from tests.gateway.configurations import loaders, write


def test_a_file_is_a_unit_and_the_transforms_always_run(tmp_path: Path) -> None:
    write(tmp_path, adapters__modbus_tcp__plant="", sinks__file__export="", transforms__validator="")
    assert [one.unit for one in instances(tmp_path)] == [
        "streamforge-sink-file@export",
        "streamforge-transform-validator",
        "streamforge-transform-aggregator",
        "streamforge-adapter-modbus-tcp@plant",
    ]


def test_a_unit_is_changed_by_what_it_reads_alone(tmp_path: Path) -> None:
    write(tmp_path, adapters__modbus_tcp__a="", adapters__modbus_tcp__b="", sinks__file__export="", gateway="")
    before = digests(tmp_path)
    write(tmp_path, adapters__modbus_tcp__a="value = 1", gateway="[kafka]\npartitions = 2")
    assert _changed(before, digests(tmp_path)) == {"streamforge-adapter-modbus-tcp@a"}


def test_a_tag_table_beside_its_file_belongs_to_it(tmp_path: Path) -> None:
    write(tmp_path, adapters__modbus_tcp__a="", sinks__file__export="")
    before = digests(tmp_path)
    (tmp_path / "adapters/modbus-tcp/drive.csv").write_text("param;at\n")
    assert _changed(before, digests(tmp_path)) == {"streamforge-adapter-modbus-tcp@a"}


def test_a_transform_is_changed_by_its_file_coming_and_going(tmp_path: Path) -> None:
    before = digests(tmp_path)
    write(tmp_path, transforms__validator="value = 1")
    assert _changed(before, digests(tmp_path)) == {"streamforge-transform-validator"}


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {unit for unit in before.keys() | after.keys() if before.get(unit) != after.get(unit)}


def test_a_good_configuration_has_no_fault(tmp_path: Path) -> None:
    write(tmp_path, adapters__modbus_tcp__plant="value = 1", gateway="", transforms__aggregator="")
    assert check(tmp_path, loaders) == ()


def test_all_faults_of_all_files_come_sorted(tmp_path: Path) -> None:
    write(
        tmp_path,
        adapters__modbus_tcp__b="valeu = 1\nvalue = 'x'",
        adapters__modbus_tcp__a="adapter_id = 1",
        adapters__modbus_tpc__c="",
        gateway="[kafka]\npartitions = 13",
        sinks__file__Export="",
        transforms__validater="",
    )
    (tmp_path / "music").mkdir()
    (tmp_path / "adapters" / "loose.toml").write_text("")
    found = [str(fault).removeprefix(f"{tmp_path}/") for fault in check(tmp_path, loaders)]
    assert found == [
        "adapters/loose.toml: not part of a configuration (adapters/<kind>/<instance>.toml)",
        "adapters/modbus-tcp/a.toml:1: adapter_id: must be text, not 1 (write it in quotes)",
        'adapters/modbus-tcp/b.toml:1: valeu: unknown key (did you mean "value"?)',
        'adapters/modbus-tcp/b.toml:2: value: must be a whole number, not "x" (write it without quotes)',
        'adapters/modbus-tpc/c.toml: there is no adapter "modbus-tpc"',
        "gateway.toml:2: kafka.partitions: 13 is out of bounds, must be from 1 to 12",
        "music: not part of a configuration (known: gateway.toml, adapters, transforms, sinks, schemas)",
        'sinks/file/Export.toml: "Export" cannot name an instance (small letters, digits and dashes, at most 40)',
        'transforms/validater.toml: not part of a configuration (did you mean "validator.toml"?)',
    ]


def test_two_adapters_cannot_be_one(tmp_path: Path) -> None:
    write(tmp_path, adapters__modbus_tcp__a="", adapters__modbus_tcp__b='adapter_id = "a"')
    (fault,) = check(tmp_path, loaders)
    assert fault.message == '"a" is also the id of adapters/modbus-tcp/a.toml'


def test_what_is_no_directory_is_a_fault(tmp_path: Path) -> None:
    assert [fault.message for fault in check(tmp_path / "none", loaders)] == ["is not a directory"]
