"""What a transform is: a pure function from records to records. No I/O, no clock, no Kafka.

Content is a function of the inputs alone; `tick` may decide when something is emitted, never what.
State is never saved: after a restart the runner tells `standing` outputs, `replay`s inputs from the oldest one still
needed, and then goes on with `apply`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from streamforge.config import Limits
from streamforge.model import Record
from streamforge.progress import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """One output: where it goes, under which key (the asset), and what it is."""

    topic: str
    key: str
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformConfig:
    """The keys that every transform's TOML has; each transform adds its own in a subclass."""

    limits: Limits = field(default_factory=Limits)


C = TypeVar("C", bound=TransformConfig)


class Transform(ABC, Generic[C]):
    """One stage: one input topic, one main output topic, any side topics; one object a partition.

    Subclasses set the topics as attributes (in the class or in `__init__`).
    """

    Config: ClassVar[type[TransformConfig]]
    input: str
    output: str
    sides: tuple[str, ...] = ()

    def __init__(self, config: C) -> None:
        self.config = config

    @classmethod
    def stages(cls, config: C) -> "Sequence[Transform[C]]":
        """The stages of one unit, in the order of the flow; most transforms are a single one."""
        return (cls(config),)

    @abstractmethod
    def apply(self, stored: Stored) -> Iterable[Emit]:
        """Take the next input; the outputs it completes, main and side, in a fixed order."""

    def tick(self, listened_us: int) -> Iterable[Emit]:
        """Emit what has waited long enough; called about once a second while the input is caught up with.

        `listened_us`: for how long it has been since this transform was made, by the monotonic clock.
        """
        del listened_us
        return ()

    def holding(self) -> int | None:
        """The oldest input offset that a restart must re-read; None = nothing before the next input."""
        return None

    def standing(self, stored: Stored, next_offset: int) -> None:
        """One own output record that stands in the main output topic, and the input position that it covers.

        Told before `replay`, oldest first. Of inputs that a power cut took positions may lie beyond the input's end.
        """

    def replay(self, stored: Stored) -> Iterable[Emit]:
        """Re-read an input whose outputs were decided before a restart.

        Returns only outputs that are known not to stand; the default says all stand.
        """
        for _ in self.apply(stored):
            pass
        return ()
