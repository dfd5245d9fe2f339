"""What every way to LoRa devices has: it is opened, listened to in turns, and counts what passes."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from streamforge.adapters.base import Batch, Inbox, Refused


class Transport(ABC):
    """One way, with one far end. `can_wait` as of `Subscriber`."""

    can_wait = False

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @abstractmethod
    async def open(self, state_directory: Path | None) -> None:
        """Make the connection. Raises NotConnected (or any OSError), with address and reason."""

    @abstractmethod
    async def listen(self, inbox: Inbox) -> None:
        """Put what comes into the inbox, for a second or so. Raises NotConnected (or any OSError) when it is gone."""

    @abstractmethod
    def close(self) -> None:
        """Let go; may be called at any time, also twice."""

    def figures(self) -> Mapping[tuple[str, ...], float]:
        """As `Adapter.figures`."""
        return {("", name): float(count) for name, count in self.counts.items()}

    def remarks(self) -> Sequence[str]:
        """As `Adapter.remarks`."""
        return ()

    def details(self) -> Mapping[str, object]:
        """As `Adapter.details`."""
        return {}

    def refuse(self, inbox: Inbox, where: str, payload: bytes, reason: str) -> None:
        """A message that is broken is kept with its bytes."""
        self.counts["malformed_messages"] += 1
        inbox.refuse(Refused(where=where, payload=payload, reason=reason))


def offer(inbox: Inbox, batches: Iterable[Batch]) -> None:
    """Readings of devices that cannot wait."""
    for batch in batches:
        inbox.offer(batch)
