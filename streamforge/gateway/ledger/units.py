"""What the units say of themselves: each adapter what it has read by epoch, each sink what its target holds."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamforge.gateway.instances import Role, instances
from streamforge.health import ask
from streamforge.incarnations import Incarnations
from streamforge.model import Topic
from streamforge.progress import LAST_PROGRESS, AdapterEpoch, Progress

CLEAN = Topic.TELEMETRY_CLEAN.value
_SINK_UNIT, _ADAPTER_UNIT = "streamforge-sink-", "streamforge-adapter-"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCount:
    """What is known of one epoch: readings that the log acknowledged plus those dropped before it.

    `incarnation` of the log in which it wrote. `is_least`: the adapter noted this and cannot be asked any more; what
    stands on the log beyond it was read as well.
    """

    read: int
    dropped: int
    incarnation: int
    is_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The counts of all adapters and the progress of all sinks of clean readings, by unit name without its prefix.

    None: nobody knows what the target holds. `silent` sinks did not answer; what stands of them is older.
    """

    adapters: Mapping[AdapterEpoch, AdapterCount] = field(default_factory=dict)
    sinks: Mapping[str, Progress | None] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()


def asked(directory: Path) -> Said:
    """The answers of the units that have their sockets in `directory`."""
    return Said(adapters=_adapters(directory), sinks=_sinks(directory))


def completed(said: Said, before: Said, configured: frozenset[str]) -> Said:
    """`said`, and of who does not answer what was known `before`: noted on disk, or said earlier.

    `configured` sinks have their place also where nothing is known of them.
    """
    answering = {adapter for adapter, _ in said.adapters}
    noted = {key: replace(one, is_least=True) for key, one in before.adapters.items() if key[0] not in answering}
    silent = configured - said.sinks.keys()
    sinks = {sink: before.sinks.get(sink) for sink in silent}
    return Said(adapters={**noted, **said.adapters}, sinks={**sinks, **said.sinks}, silent=silent)


def with_open_ends(said: Said, incarnations: Incarnations) -> Said:
    """Of an epoch that a cut ended nobody can be asked any more either."""
    cut = cut_epochs(said.adapters, incarnations)
    adapters = {key: replace(count, is_least=count.is_least or key in cut) for key, count in said.adapters.items()}
    return replace(said, adapters=adapters)


def cut_epochs(adapters: Mapping[AdapterEpoch, AdapterCount], incarnations: Incarnations) -> frozenset[AdapterEpoch]:
    """The epochs that a cut ended: of each adapter the last one in each incarnation that is over."""
    last: dict[tuple[str, int], int] = {}
    for (adapter, epoch), count in adapters.items():
        if 0 < count.incarnation < incarnations.current:
            last[adapter, count.incarnation] = max(epoch, last.get((adapter, count.incarnation), epoch))
    return frozenset((adapter, epoch) for (adapter, _), epoch in last.items())


def configured_sinks(configuration: Path) -> frozenset[str]:
    """The sinks of clean readings that this configuration calls for; one whose file cannot be read counts as such."""
    sinks = (one for one in instances(configuration) if one.role is Role.SINK)
    return frozenset(one.unit.removeprefix(_SINK_UNIT) for one in sinks if _takes_clean(one.file))


def _takes_clean(file: Path) -> bool:
    try:
        return CLEAN in tomllib.loads(file.read_text()).get("topics", (CLEAN,))
    except (OSError, ValueError, TypeError):
        return True


def noted_progress(state: Path) -> dict[str, Progress]:
    """What each sink left in its directory under `state`; what is absent or damaged is left out."""
    found = {}
    for path in sorted(state.glob(f"{_SINK_UNIT}*/{LAST_PROGRESS}")):
        try:
            found[path.parent.name.removeprefix(_SINK_UNIT)] = Progress.from_json(path.read_text())
        except (OSError, ValueError):
            continue
    return found


def _details(directory: Path, pattern: str) -> Iterator[tuple[str, dict[str, object]]]:
    for path in sorted(directory.glob(pattern)):
        try:
            answer = json.loads(ask(path))
        except (OSError, ValueError):
            continue
        yield answer["unit"], answer["details"]


def _sinks(directory: Path) -> dict[str, Progress | None]:
    found: dict[str, Progress | None] = {}
    for unit, details in _details(directory, f"{_SINK_UNIT}*.sock"):
        if CLEAN in str(details["topics"]):
            text = str(details["progress"])
            found[unit.removeprefix(_SINK_UNIT)] = Progress.from_json(text) if text else None
    return found


def _adapters(directory: Path) -> dict[AdapterEpoch, AdapterCount]:
    found = {}
    for _, details in _details(directory, f"{_ADAPTER_UNIT}*.sock"):
        rows = details["ledger"]
        assert isinstance(rows, list)  # noqa: S101 - health.py's own shape
        for row in rows:
            found[str(details["adapter_id"]), int(row["epoch"])] = AdapterCount(
                read=row["read"], dropped=row["dropped"], incarnation=row["incarnation"]
            )
    return found
