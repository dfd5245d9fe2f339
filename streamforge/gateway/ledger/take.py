"""Takes the ledger: asks sinks, adapters and the log, in this order, and makes the rows of it.

Each figure is counted by itself, so that a bug shows as an imbalance: `read` by the adapter from acknowledgements,
`delivered` by the sink from what it wrote, `waiting` record by record from the log, `rejected` by the validator's own
note in each clean batch. The cut is the adapter's count: what it read later is left out everywhere.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.bus.reader import Pace, Reader
from streamforge.gateway.ledger.account import Log, Standing, rows
from streamforge.gateway.ledger.rows import Ledger
from streamforge.gateway.ledger.scan import scan
from streamforge.gateway.ledger.units import CLEAN, Said, asked, completed, cut_epochs, with_open_ends
from streamforge.health import RUN_DIRECTORY
from streamforge.incarnations import Incarnations

SETTLE_SECONDS = 3.0
PACE = Pace(least_bytes=1, wait_ms=100, most_records=2000)
NOT_REACHED = "has not reached its target yet: what stands there is not known"
NOT_KNOWN = "does not run and left no note: what its target holds is not known"
AS_NOTED = "does not run: delivered as it noted last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whom to ask: units with their sockets in `directory`; what is known `before` of those that may not answer.

    `configured` sinks of clean readings; a sink for which more than `most_records` wait is not counted (0 = all are).
    """

    directory: Path = RUN_DIRECTORY
    before: Said = field(default_factory=Said)
    configured: frozenset[str] = frozenset()
    most_records: int = 0


def take(connection: Connection, directory: Path = RUN_DIRECTORY) -> Ledger:
    """The ledger of the units that have their sockets in `directory`. Raises NotConnected when the broker is away."""
    return taken(connection, Question(directory=directory))[0]


def taken(connection: Connection, question: Question) -> tuple[Ledger, Said]:
    """The ledger now, and what the units said for it. Raises NotConnected when the broker is away."""
    incarnations = connection.incarnations()
    said = say(connection, question)
    reader = Reader(connection, PACE)
    try:
        standings = scan(reader, said.sinks, said.adapters, question.most_records)
        log = Log(partitions=len(reader.partitions(CLEAN)), cut=cut_epochs(said.adapters, incarnations))
    finally:
        reader.close()
    told = {sink: _told(one, sink, said) for sink, one in standings.items()}
    return Ledger(rows=rows(said.adapters, told, log)), said


def _told(standing: Standing, sink: str, said: Said) -> Standing:
    """With what lies behind it: a target of which nothing is known may hold anything."""
    note = remark(sink, said)
    is_counted = standing.is_counted and said.sinks[sink] is not None
    return replace(standing, note=standing.note or note, is_counted=is_counted)


def remark(sink: str, said: Said) -> str:
    """What to know of a sink whose figures are not of now."""
    if said.sinks[sink] is None:
        return NOT_KNOWN if sink in said.silent else NOT_REACHED
    return AS_NOTED if sink in said.silent else ""


def say(connection: Connection, question: Question) -> Said:
    """The answers, with the adapters asked until none is behind what a sink has dealt with: acknowledgements lag."""
    incarnations = connection.incarnations()
    deadline = time.monotonic() + SETTLE_SECONDS
    said = _once(question, incarnations)
    while _is_behind(said) and time.monotonic() < deadline:
        time.sleep(0.1)
        said = replace(said, adapters=_once(question, incarnations).adapters)
    return said


def _once(question: Question, incarnations: Incarnations) -> Said:
    return with_open_ends(completed(asked(question.directory), question.before, question.configured), incarnations)


def _is_behind(said: Said) -> bool:
    return any(
        counted.next_count > said.adapters[key[:2]].read
        for progress in said.sinks.values()
        for key, counted in (progress.counts.items() if progress is not None else ())
        if key[:2] in said.adapters and not said.adapters[key[:2]].is_least
    )
