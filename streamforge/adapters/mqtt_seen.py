"""What is worth showing of the messages: which fit no row, which were refused, which may be lost; with samples."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_SAMPLES = 20
SAMPLE_BYTES = 80


@dataclass(slots=True)
class Seen:
    """Of one instance since its start."""

    messages: int = 0
    refused: int = 0
    unmapped: int = 0
    last_refused: str = ""
    _unmapped: dict[str, str] = field(default_factory=dict)
    _unmapped_counts: Counter[str] = field(default_factory=Counter)
    _may_lose: dict[str, str] = field(default_factory=dict)

    def fits_no_row(self, topic: str, payload: bytes) -> None:
        """Counted; the first of some topics are shown with what they say."""
        self.unmapped += 1
        if topic not in self._unmapped and len(self._unmapped) < MOST_SAMPLES:
            self._unmapped[topic] = payload[:SAMPLE_BYTES].decode(errors="backslashreplace")
        if topic in self._unmapped:
            self._unmapped_counts[topic] += 1

    def refuse(self, topic: str, reason: str) -> None:
        """Counted; the last is shown."""
        self.refused += 1
        self.last_refused = f"{topic}: {reason}"

    def may_lose(self, what: str, reason: str) -> None:
        """Messages that nobody sends again when they are lost."""
        if len(self._may_lose) < MOST_SAMPLES:
            self._may_lose.setdefault(what, reason)

    def details(self) -> Mapping[str, object]:
        """For health and page; copies, for it is asked for in another thread."""
        return {
            "messages": self.messages,
            "refused": self.refused,
            "last_refused": self.last_refused,
            "unmapped": self.unmapped,
            "unmapped_topics": [
                {"topic": topic, "messages": self._unmapped_counts[topic], "sample": sample}
                for topic, sample in list(self._unmapped.items())
            ],
            "may_lose": [{"topic": what, "reason": reason} for what, reason in list(self._may_lose.items())],
        }
