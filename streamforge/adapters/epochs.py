"""The epoch of an adapter: a counter that grows with every start, on disk before the first reading is numbered.

Never a clock. Beside it stand the counts of earlier epochs, so that the ledger can account for them, and for each a
promise: a number that its readings do not exceed until it is raised, on disk first. After a power cut the promise less
what stands on the log is an upper bound of what is lost.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamforge.durable import write_durably
from streamforge.health import ask

FILE_NAME = "epochs.json"
# Fewer than a sink keeps (sinks.tally.MOST_EPOCHS), so that every epoch named here can be balanced.
MOST_CLOSED = 24
LEAST_PROMISE = 1_000
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCount:
    """Readings of one epoch: `read` = acknowledged by the log plus `dropped` before it; never beyond `promised`.

    `began` and `incarnation`: the log's incarnations in which it first and last wrote; 0 = it never reached the log.
    """

    epoch: int
    read: int = 0
    dropped: int = 0
    promised: int = 0
    incarnation: int = 0
    began: int = 0


class Epochs:
    """The counter of one adapter instance, in its state directory."""

    def __init__(self, directory: Path, adapter_id: str) -> None:
        self._path = directory / FILE_NAME
        self._adapter_id = adapter_id
        self.closed: list[EpochCount] = []
        self.current: EpochCount | None = None

    @property
    def is_known(self) -> bool:
        """Whether the disk remembers; if not, the log must be asked for the highest epoch in it."""
        return self._held() is not None

    def begin(self, highest_in_log: int = 0) -> int:
        """Start the next epoch, above everything remembered and seen; on disk when this returns."""
        self._load()
        if self.current is not None:
            self.closed = [*self.closed, self.current][-MOST_CLOSED:]
        last = max([highest_in_log, *(count.epoch for count in self.closed)])
        self._save(EpochCount(epoch=last + 1, promised=LEAST_PROMISE))
        return last + 1

    @property
    def was_ended(self) -> bool:
        """Whether the epoch before this one left nothing on its way to the log, or there was none."""
        return not self.closed or self.closed[-1].promised == self.closed[-1].read

    @property
    def promised(self) -> int:
        """How many readings of this epoch may be handed to the log before `count` is called again."""
        return self.current.promised if self.current is not None else 0

    def count(self, read: int, dropped: int, numbered: int) -> None:
        """Note what this epoch has come to, of `numbered` readings so far; on disk when this returns, or already.

        The next promise leaves room for twice what came since the last one.
        """
        if self.current is not None:
            since = numbered - self.current.read
            promised = numbered + max(LEAST_PROMISE, 2 * since)
            counted = replace(self.current, read=read, dropped=dropped, promised=promised)
            if counted != self.current:  # a plant at rest writes nothing
                self._save(counted)

    def end(self, read: int, dropped: int) -> None:
        """The unit stops: nothing of this epoch comes after these; on disk when this returns."""
        if self.current is not None:
            self._save(replace(self.current, read=read, dropped=dropped, promised=read))

    def met_log(self, incarnation: int) -> None:
        """The epoch writes in this incarnation of the log."""
        if self.current is not None and self.current.incarnation != incarnation:
            began = self.current.began or self.current.incarnation or incarnation
            self._save(replace(self.current, incarnation=incarnation, began=began))

    def correct(self, epoch: int, read: int) -> None:
        """A closed epoch ended with `read` readings on the log: what a killed process could not note itself.

        Its promise is kept with it, unless a cut ended it: what it had promised then bounds what that cost.
        """
        incarnation = self.current.incarnation if self.current is not None else 0
        self.closed = [
            replace(closed, read=read, promised=read if closed.incarnation == incarnation else closed.promised)
            if closed.epoch == epoch
            else closed
            for closed in self.closed
        ]
        self._save(self.current)

    def _load(self) -> None:
        self.closed, self.current = self._held() or ([], None)

    def _held(self) -> tuple[list[EpochCount], EpochCount] | None:
        """What the disk remembers; None where the file is absent or damaged."""
        try:
            return _counts(json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _save(self, current: EpochCount | None) -> None:
        """On disk first; what the disk does not take is not so. Raises OSError."""
        held = {
            "adapter_id": self._adapter_id,
            "current": asdict(current) if current else None,
            "closed": [asdict(closed) for closed in self.closed],
        }
        write_durably(self._path, json.dumps(held).encode(), mode=_MODE)
        self.current = current


def _counts(held: Any) -> tuple[list[EpochCount], EpochCount]:
    return [EpochCount(**closed) for closed in held["closed"]], EpochCount(**held["current"])


def noted(state: Path) -> dict[str, list[EpochCount]]:
    """What every adapter of a gateway noted: adapter_id -> its epochs. What is damaged is left out.

    `state` is the directory of all units' state directories; an instance of before may stand there too.
    """
    found: dict[str, list[EpochCount]] = {}
    for path in sorted(state.glob(f"*/{FILE_NAME}")):
        try:
            held = json.loads(path.read_text())
            closed, current = _counts(held)
            found.setdefault(str(held["adapter_id"]), []).extend([*closed, current])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def running(state: Path, run: Path) -> set[str]:
    """The adapter_id of every adapter whose unit answers on its socket in `run`; `state` as for `noted`."""
    found = set()
    for path in sorted(state.glob(f"*/{FILE_NAME}")):
        try:
            ask(run / f"{path.parent.name}.sock")
            found.add(str(json.loads(path.read_text())["adapter_id"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
