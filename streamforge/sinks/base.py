"""What a sink is: connect, write all or raise, close. It never loops, sleeps, retries, logs routine, or knows Kafka.

Progress lives where the data is: `write` stores the progress together with the records, `connect` answers what the
target says it holds. The runner re-reads it at every connect, because a commit may have happened though its answer
was lost.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from streamforge.config import Limits
from streamforge.model import DELIVERED, Topic
from streamforge.progress import Progress, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule:
    """When the runner cuts a batch: whichever of the three comes first. `readings` counts rows, not records."""

    readings: int = 50_000
    bytes: int = 1_048_576
    age_ms: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig:
    """The keys that every sink's TOML has; each target adds its own in a subclass."""

    topics: tuple[Topic, ...] = (Topic.TELEMETRY_CLEAN,)
    batch: BatchRule = field(default_factory=BatchRule)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """A subclass with one of its own calls this first."""
        if not self.topics:
            msg = "topics: names at least one"
            raise ValueError(msg)
        twice = [str(topic) for index, topic in enumerate(self.topics) if topic in self.topics[:index]]
        if twice:
            msg = f"topics: {', '.join(twice)} stands there twice"
            raise ValueError(msg)
        closed = [str(topic) for topic in self.topics if topic not in DELIVERED]
        if closed:
            msg = f"topics: no sink reads {', '.join(closed)}; known: {', '.join(DELIVERED)}"
            raise ValueError(msg)


C = TypeVar("C", bound=SinkConfig)


class Sink(ABC, Generic[C]):
    """A target. A module under `streamforge.sinks` has exactly one concrete subclass; helpers live elsewhere."""

    Config: ClassVar[type[SinkConfig]]

    def __init__(self, config: C, instance: str) -> None:
        self.config = config
        self.instance = instance

    @abstractmethod
    def connect(self) -> Progress:
        """Reach the target, make what is missing there, and answer the progress it holds (empty = none).

        Raises NotConnected (or any OSError) with address and reason; ConfigError where only the operator can help.
        """

    @abstractmethod
    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        """Store these records and this progress, all or nothing; `batch` may be empty.

        A record that stands there already (same adapter, epoch, seq) is not stored twice.
        Raises NotConnected (or any OSError) to be tried again, Rejected for records that can never be stored.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the target; may be called at any time, also twice."""
