"""Opens a new incarnation of the log where acknowledged records may be gone, before the broker gives offsets out again.

That is so when another boot wrote last and did not stop in order (the power went), and when it is another log than
before. Killing the broker opens none: what it had written stands in the page cache. `kafka/incarnations.json` keeps the
list, twice; `kafka/writer.json` says in which boot which log was last written.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from streamforge.clock import now_us
from streamforge.durable import write_durably
from streamforge.gateway.doctor.layout import (
    directory_id,
    is_internal,
    number_of,
    partitions,
    stray_partitions,
    topic_of,
)
from streamforge.gateway.doctor.report import Finding
from streamforge.incarnations import FILE, STRAYS, Incarnation, Incarnations
from streamforge.progress import Partition

SECOND_FILE = "incarnations.before.json"
WRITER_FILE = "writer.json"
# Kafka leaves it in the log directory when it has flushed and closed everything, and removes it when it starts.
STOPPED_IN_ORDER = ".kafka_cleanshutdown"
ANOTHER_LOG = "it is another log"
END_DAMAGED = "the end of the log is damaged"
RECOVERY_POINTS = "recovery-point-offset-checkpoint"
_MODE = 0o640
LEAST_DRAWN = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who wrote last: the kernel's boot id, and Kafka's id of the log directory ("" = there is none yet).

    `set_aside`: the id of the log that lay here before this one.
    """

    boot_id: str
    directory_id: str
    set_aside: str = ""


def keep(
    kafka: Path, public: Path, boot_id: str, damaged_ends: Callable[[], Mapping[Partition, int]] = dict
) -> list[Finding]:
    """Open a new incarnation where there is reason to, and let every unit read the list in `public`.

    `damaged_ends`: partitions that end earlier than the broker left them, and at which offset; asked for only
    where there is no other reason, and after the list is there for all. Raises OSError, and what it raises.
    """
    data = kafka / "data"
    held, before = _held(kafka), _read_writer(kafka)
    if held is not None:
        _publish(public / FILE, held)  # first: without it, units would take their positions for unknown ones
    now = _now(before, boot_id, directory_id(data))
    opened = _opened(held, data, before, now, damaged_ends)
    if opened is not None:
        _save(kafka, opened)
    if before != now:
        write_durably(kafka / WRITER_FILE, json.dumps(asdict(now)).encode(), mode=_MODE)
    _publish(public / FILE, opened or held or Incarnations())
    return [] if opened is None else [_finding(opened.opened[-1])]


def keep_strays(kafka: Path, public: Path) -> Incarnation | None:
    """Open one for the partitions that the broker took for strays: before anybody makes their topics anew, from 0 on.

    None where there is no stray. Raises OSError.
    """
    lost = stray_partitions(kafka / "data")
    if not lost:
        return None
    names = ", ".join(f"{place.topic}/{place.number}" for place in lost)
    opened = (_held(kafka) or Incarnations()).opening(
        opened_at_us=now_us(), reason=f"{STRAYS} {names}", firsts=dict.fromkeys(lost, 0)
    )
    _save(kafka, opened)
    _publish(public / FILE, opened)
    return opened.opened[-1]


def _now(before: Writer | None, boot_id: str, directory_id: str) -> Writer:
    if before is None or before.directory_id == directory_id:
        return Writer(boot_id=boot_id, directory_id=directory_id, set_aside=before.set_aside if before else "")
    return Writer(boot_id=boot_id, directory_id=directory_id, set_aside=before.directory_id or before.set_aside)


def _opened(
    held: Incarnations | None,
    data: Path,
    before: Writer | None,
    now: Writer,
    damaged_ends: Callable[[], Mapping[Partition, int]],
) -> Incarnations | None:
    """The list with a new incarnation; None where the one in force goes on."""
    if held is None:
        # Above any that was counted up to and never the one of another lost list, so that no position of either is
        # taken for one of this. Drawn, because the clock may stand in 1970 each time.
        number = LEAST_DRAWN + secrets.randbelow(LEAST_DRAWN)
        lost = Incarnation(number=number, opened_at_us=now_us(), reason="the list was lost", is_fresh=True)
        return Incarnations(opened=(lost,))
    if before is not None and now.directory_id and before.set_aside == now.directory_id:
        # What was put in its place never served, so no position is of it.
        return held.taken_back().opening(opened_at_us=now_us(), reason="the log before is back", firsts=ends(data))
    reason = _reason(data, before, now)
    if not reason:
        damaged = damaged_ends()
        return held.opening(opened_at_us=now_us(), reason=END_DAMAGED, firsts=damaged) if damaged else None
    return held.opening(opened_at_us=now_us(), reason=reason, firsts=None if reason == ANOTHER_LOG else ends(data))


def _reason(data: Path, before: Writer | None, now: Writer) -> str:
    """Why acknowledged records may be gone; empty where none can be."""
    if before is not None and before.directory_id not in {"", now.directory_id}:
        return ANOTHER_LOG
    if not now.directory_id or (data / STOPPED_IN_ORDER).exists():
        return ""
    if before is None:
        return "nobody knows when it was last written"
    return "the power went" if before.boot_id != now.boot_id else ""


def ends(data: Path) -> dict[Partition, int]:
    """Where the intact records of each partition end, as the broker will find them when it starts. Raises OSError."""
    from streamforge.codec.segments import valid_end  # with the codec, which only a cut needs

    trusted = _recovery_points(data)
    places = {Partition(topic_of(path), number_of(path)): path for path in partitions(data) if not is_internal(path)}
    return {place: valid_end(path, trusted.get(place) or _all_but_two(path)) for place, path in places.items()}


def _all_but_two(partition: Path) -> int:
    """Without a recovery point: the newest two segments are read, so that a long log does not keep the boot waiting."""
    from streamforge.codec.segments import base_of, segments

    newest = segments(partition)[-2:]
    return (base_of(newest[0]) or 0) if newest else 0


def _recovery_points(data: Path) -> dict[Partition, int]:
    """Up to where Kafka itself trusts a partition without reading it again; of an absent or damaged file nothing."""
    try:
        return dict(_entries((data / RECOVERY_POINTS).read_text()))
    except (OSError, ValueError):
        return {}


def _entries(text: str) -> Iterator[tuple[Partition, int]]:
    for line in text.splitlines()[2:]:
        topic, number, offset = line.split(" ")
        yield Partition(topic, int(number)), int(offset)


def _read_writer(kafka: Path) -> Writer | None:
    try:
        return Writer(**json.loads((kafka / WRITER_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _held(kafka: Path) -> Incarnations | None:
    """The list; empty where there never was one, None where both files are damaged."""
    is_absent = True
    for name in (FILE, SECOND_FILE):
        try:
            return Incarnations.from_json((kafka / name).read_bytes())
        except FileNotFoundError:
            continue
        except PermissionError:
            raise
        except (OSError, ValueError):
            is_absent = False
    return Incarnations() if is_absent else None


def _save(kafka: Path, found: Incarnations) -> None:
    for name in (SECOND_FILE, FILE):
        write_durably(kafka / name, found.to_json().encode(), mode=_MODE)


def _publish(file: Path, found: Incarnations) -> None:
    """Always there, so that nobody else can put one; but only a change is written: readers take any for a new one."""
    content = found.to_json().encode()
    if not (file.exists() and file.read_bytes() == content):
        write_durably(file, content, mode=_MODE)


def _finding(opened: Incarnation) -> Finding:
    wrong = f"{opened.reason}: acknowledged records may be gone"
    return Finding(file=FILE, wrong=wrong, done=f"opened incarnation {opened.number}", is_grave=True)
