"""The runner's protocol in a few lines: outputs carry position, hold and scan; a restart goes on from the last one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamforge.model import AggregateBatch, Record
from streamforge.progress import Partition, Stored
from streamforge.transforms.base import Emit, Transform


@dataclass(slots=True, kw_only=True)
class Written:
    """One main output in the log with its headers."""

    record: AggregateBatch
    position: int
    hold: int
    scan: int


@dataclass(slots=True)
class Log:
    """The main output topic of one stage, and the sessions that write it. `lag` outputs are never acknowledged yet."""

    make: Callable[[], Transform[Any]]
    lag: int = 0
    out: list[Written] = field(default_factory=list)
    _groups: list[tuple[int, int]] = field(default_factory=list)  # of each output in this session: (index, hold)

    def run(self, inputs: Sequence[Record], until: int, now_us: Callable[[int], int | None] = lambda _: None) -> None:
        """Start anew, restore from the output, and go on up to this input."""
        transform = self.make()
        self._groups = []
        position = self._restore(transform, inputs)
        for offset in range(position, until):
            hold = self._hold(transform, offset)
            self._write(transform.apply(stored(transform, offset, inputs[offset])), offset + 1, hold)
            now = now_us(offset)
            if now is not None:
                self._write(transform.tick(now), offset + 1, self._hold(transform, offset + 1))

    def _restore(self, transform: Transform[Any], inputs: Sequence[Record]) -> int:
        if not self.out:
            return 0
        last = self.out[-1]
        for offset, written in enumerate(self.out[last.scan :], last.scan):
            transform.standing(stored(transform, offset, written.record), written.position)
        for offset in range(last.hold, last.position):
            hold = self._hold(transform, offset)
            missing = transform.replay(stored(transform, offset, inputs[offset]))
            if offset + 1 == last.position:
                self._write(missing, last.position, hold)
        return last.position

    @staticmethod
    def _hold(transform: Transform[Any], offset: int) -> int:
        held = transform.holding()
        return offset if held is None else min(held, offset)

    def _write(self, emits: Iterable[Emit], position: int, hold: int) -> None:
        for emit in emits:
            assert isinstance(emit.record, AggregateBatch)
            self._groups.append((len(self.out), hold))
            oldest = self._groups[max(0, len(self._groups) - 1 - self.lag)][1]
            scan = next((n for n, w in enumerate(self.out) if w.position > oldest), len(self.out))
            self.out.append(Written(record=emit.record, position=position, hold=oldest, scan=scan))

    def final(self) -> dict[tuple[str, int], AggregateBatch]:
        """The highest revision of every window; no revision of a window may stand twice."""
        keys = [(w.record.asset_id, w.record.window_start_us, w.record.revision) for w in self.out]
        assert len(set(keys)) == len(keys), "a revision stands twice"
        last: dict[tuple[str, int], AggregateBatch] = {}
        for written in self.out:
            record = written.record
            key = (record.asset_id, record.window_start_us)
            assert key not in last or record.revision > last[key].revision
            last[key] = record
        return last


def stored(transform: Transform[Any], offset: int, record: Record) -> Stored:
    """The record as it stands on the input (or output) of this transform."""
    return Stored(partition=Partition(transform.input), offset=offset, kafka_time_us=0, record=record)
