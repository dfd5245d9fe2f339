"""One record as the broker gave it, and the offsets that were missing before it."""

from dataclasses import dataclass
from enum import StrEnum

from streamforge.codec import decode
from streamforge.progress import Headers, Partition, Stored


class Cause(StrEnum):
    """Why offsets are missing, the worst last. EVICTED: below the log's start; MISSING: nothing stands there."""

    EVICTED = "evicted"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One record as the broker gave it; `value` still encoded.

    `hole`: the offsets missing directly before it, where this reader met any since it was assigned; one, however many
    causes, of which it names the worst.
    """

    partition: Partition
    offset: int
    kafka_time_us: int
    key: bytes
    value: bytes
    headers: Headers
    hole: "Hole | None" = None


def stored(fetched: Fetched) -> Stored:
    """The fetched record, decoded. Raises Rejected where the bytes are none of ours."""
    return Stored(
        partition=fetched.partition,
        offset=fetched.offset,
        kafka_time_us=fetched.kafka_time_us,
        record=decode(fetched.value),  # type: ignore[arg-type] # an Aggregate never stands on the log
        size_bytes=len(fetched.value),
        headers=fetched.headers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Offsets that were expected and are not there: from `first` up to, not including, `next_offset`."""

    partition: Partition
    first: int
    next_offset: int
    cause: Cause = Cause.MISSING

    @property
    def offsets(self) -> int:
        """How many there are."""
        return self.next_offset - self.first

    def fields(self) -> dict[str, object]:
        """As a line of the journal names it."""
        return {
            "topic": self.partition.topic,
            "partition": self.partition.number,
            "first": self.first,
            "next_offset": self.next_offset,
            "cause": self.cause.value,
        }
