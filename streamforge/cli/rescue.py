"""`streamforge rescue DIR`: the records of a pulled disk, without a broker: intact ones exported, damage listed."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from streamforge.codec.segments import Damage
from streamforge.gateway.pulled_disk import Folder, folders, logs, looked_for
from streamforge.gateway.rescue import Rescued, Writer, rescue
from streamforge.gateway.rescue_files import LinesWriter
from streamforge.sinks.forms import time_text
from streamforge.sinks.lines import Layout, encode

INTACT, DAMAGED, NOT_DONE = 0, 1, 2
_ROW = "{:<26} {:>4} {:>10} {:>11}  {:<20} {:<20} {:>7}"
_HEAD = _ROW.format("topic", "part", "records", "readings", "first", "last", "damaged")


class _Unusable(Exception):  # noqa: N818 - what was asked for cannot be done
    """Said to the user as it is."""


def run(arguments: list[str]) -> int:
    """Export and print; 0 = all intact, 1 = damage was found, 2 = nothing found, or it cannot be done as asked."""
    given = _parser().parse_args(arguments)
    try:
        done = _rescue(given)
    except (_Unusable, OSError) as error:
        print(f"streamforge rescue: {error}", file=sys.stderr)
        return NOT_DONE
    damage = [one for rescued in done for one in rescued.damage]
    for line in summary(done, damage, given.directory):
        print(line)
    if given.json:
        print(json.dumps(as_json(done, given.directory)))
    return DAMAGED if damage else INTACT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streamforge rescue", description="reads DIR and writes nothing below it")
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the disk is mounted, or a copy of its log")
    parser.add_argument("--to", type=Path, default=Path("rescued"), help="a new or empty directory (default: rescued)")
    parser.add_argument("--topic", action="append", default=[], help="only this topic; may be given again")
    parser.add_argument("--format", choices=("ndjson", "parquet"), default="ndjson")
    parser.add_argument("--layout", choices=tuple(Layout), default=Layout.READING, help="one line a reading or a batch")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line; see docs/rescue.md")
    return parser


def _rescue(given: argparse.Namespace) -> list[Rescued]:
    """Partition by partition, a row printed after each."""
    writer = _writer(given)
    found = _folders(given.directory, given.topic)
    _check_target(given.directory, given.to)
    print(_HEAD)
    done: list[Rescued] = []
    for folder in found:
        done.append(rescue(folder, writer(given.to / folder.stem)))
        print(row(done[-1]), flush=True)
    return done


def _writer(given: argparse.Namespace) -> Callable[[Path], Writer]:
    if given.format == "ndjson":
        return partial(LinesWriter, encode=partial(encode, layout=Layout(given.layout)))
    if given.layout != Layout.READING:
        raise _Unusable("--layout batch is a layout of lines; parquet has a row a reading")
    if importlib.util.find_spec("pyarrow") is None:
        raise _Unusable("parquet needs pyarrow, which is not installed: it is the extra 'rescue' of this package")
    from streamforge.gateway.rescue_parquet import ParquetWriter

    return ParquetWriter


def _folders(directory: Path, topics: Sequence[str]) -> list[Folder]:
    if not directory.is_dir():
        raise _Unusable(f"{directory} is no directory")
    found = [folder for log in logs(directory) for folder in folders(log)]
    if not found:
        raise _Unusable(f"no log found; looked for {looked_for(directory)}")
    known = sorted({folder.partition.topic for folder in found})
    if unknown := sorted(set(topics) - set(known)):
        raise _Unusable(f"no topic {', '.join(unknown)} in {directory}; there are {', '.join(known)}")
    return [folder for folder in found if not topics or folder.partition.topic in topics]


def _check_target(directory: Path, target: Path) -> None:
    if target.resolve().is_relative_to(directory.resolve()):
        raise _Unusable(f"{target} lies in {directory}, where nothing is written: name another place with --to")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise _Unusable(f"{target} is not an empty directory: name another place with --to")


def row(one: Rescued) -> str:
    """One partition, for people; times are UTC."""
    log = f"{one.folder.log.name}/" if one.folder.log.name else ""
    stray = " (stray)" if one.folder.is_stray else ""
    place = one.folder.partition
    times = [_time(one.first_us), _time(one.last_us)]
    figures = (f"{one.records:,}", f"{one.readings:,}", *times, len(one.damage) or "-")
    return _ROW.format(f"{log}{place.topic}{stray}", place.number, *figures)


def _time(time_us: int) -> str:
    text = time_text(time_us)
    return f"{text[:19]}Z" if text else "-"


def summary(done: Sequence[Rescued], damage: Sequence[Damage], directory: Path) -> list[str]:
    """The damaged stretches, and one line that counts."""
    lines = ["", "damaged:", *(f"  {_damage(one, directory)}" for one in damage)] if damage else []
    undecoded = sum(one.undecoded for one in done)
    if undecoded:
        lines += ["", f"{undecoded:,} records are none of ours or of a later version: written with their bytes"]
    files = sum(len(one.files) for one in done)
    records = sum(one.records for one in done)
    state = f"{len(damage)} damaged stretch{'es' if len(damage) != 1 else ''}" if damage else "all intact"
    return [*lines, "", f"{records:,} records in {files} file{'' if files == 1 else 's'}; {state}"]


def _damage(one: Damage, directory: Path) -> str:
    where = one.file.relative_to(directory)
    if one.first_offset is None:
        gone = ""
    elif one.next_offset is None:
        gone = f"; offsets from {one.first_offset} on"
    else:
        gone = f"; offsets {one.first_offset} to {one.next_offset - 1} ({one.next_offset - one.first_offset:,} records)"
    return f"{where} at byte {one.position}, {one.length_bytes} bytes: {one.kind}, {one.reason}{gone}"


def as_json(done: Sequence[Rescued], directory: Path) -> dict[str, object]:
    """What was found and written, for programs; docs/rescue.md shows it."""
    return {
        "directory": str(directory),
        "is_intact": not any(one.damage for one in done),
        "records": sum(one.records for one in done),
        "partitions": [_partition(one, directory) for one in done],
    }


def _partition(one: Rescued, directory: Path) -> dict[str, object]:
    figures = ("records", "readings", "undecoded", "first_offset", "next_offset", "first_us", "last_us")
    fields = ("position", "length_bytes", "kind", "reason", "first_offset", "next_offset")
    return {
        "log": one.folder.log.name,
        "topic": one.folder.partition.topic,
        "partition": one.folder.partition.number,
        "is_stray": one.folder.is_stray,
        **{name: getattr(one, name) for name in figures},
        "files": [str(path) for path in one.files],
        "damage": [
            {"file": str(damage.file.relative_to(directory)), **{name: getattr(damage, name) for name in fields}}
            for damage in one.damage
        ],
    }
