"""Two targets of sinks, outside of every process: one stores the position with the data, the other cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streamforge.errors import NotConnected
from streamforge.model import ReadingBatch, Topic
from streamforge.progress import Progress, Stored
from streamforge.sinks.base import BatchRule, Sink, SinkConfig
from tests.faults.simulated.life import Life


class Row(NamedTuple):
    """One reading as the target has it: its asset and its number."""

    asset_id: str
    number: int


@dataclass(slots=True)
class Target:
    """What a customer has. `answers_to_lose`: so many commits happen and are answered by an error."""

    rows: list[Row] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    is_away: bool = False
    answers_to_lose: int = 0

    def add(self, batch: Sequence[Stored]) -> None:
        """Store the readings of these records; there is no key that would refuse one twice."""
        for stored in batch:
            record = stored.record
            if isinstance(record, ReadingBatch):
                self.rows += [Row(record.source.asset_id, int(value)) for value in record.values]


class ExactSink(Sink[SinkConfig]):
    """Stores positions with the data, in one transaction."""

    def __init__(self, config: SinkConfig, target: Target, life: Life) -> None:
        super().__init__(config, "exact")
        self._target = target
        self._life = life

    def connect(self) -> Progress:
        """What the target holds."""
        self._reach()
        return self._target.progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        """All or nothing; the answer may be lost, and the process may die before or after it."""
        self._reach()
        self._target.add(batch)
        self._target.progress = progress
        self._answer()

    def _answer(self) -> None:
        if self._target.answers_to_lose:
            self._target.answers_to_lose -= 1
            raise NotConnected("the answer to COMMIT was lost")
        self._life.touch()

    def _reach(self) -> None:
        self._life.touch()
        if self._target.is_away:
            raise NotConnected("the target is away")

    def close(self) -> None:
        """Nothing to let go of."""


class RepeatingSink(ExactSink):
    """Cannot store positions: it keeps one beside itself once a barrier has passed. At least once."""

    def __init__(self, config: SinkConfig, target: Target, life: Life) -> None:
        super().__init__(config, target, life)
        self._pending: list[tuple[int, Progress]] = []

    def connect(self) -> Progress:
        """What it had kept; what waited for a barrier is forgotten."""
        self._reach()
        self._keep()
        self._pending.clear()
        return self._target.progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        """The data first; the position when the disk has the log up to there."""
        self._reach()
        self._keep()
        self._target.add(batch)
        self._pending.append((self._life.broker.log.barriers, progress))
        self._answer()

    def _keep(self) -> None:
        while self._pending and self._pending[0][0] < self._life.broker.log.barriers:
            self._target.progress = self._pending.pop(0)[1]


def config(age_ms: int) -> SinkConfig:
    """Clean readings, in batches of this age."""
    return SinkConfig(topics=(Topic.TELEMETRY_CLEAN,), batch=BatchRule(age_ms=age_ms))
