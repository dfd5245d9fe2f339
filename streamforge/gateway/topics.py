"""The one table of topics, and how a disk budget becomes retention.

Retention is by bytes alone, never by time: a clock step of a year would empty a topic. Kafka deletes whole segments
and only what lies beyond `retention.bytes`, so a partition really holds up to retention plus one segment and the
indexes; what `retention_bytes` answers is the share of the budget less exactly that. Before the shares come what is
no topic's: the ballast and the broker's own logs.

Alarms have no retention at all: when their share is full `streamforge-overflow` says so, and nothing but cleared ones
may go. What the other topics have it may lend from one to another, never more in sum.
"""

from dataclasses import dataclass
from enum import StrEnum

from streamforge.model import Topic

MEBIBYTE = 1024 * 1024
# Recovery after a power cut and eviction work segment by segment: small steps.
SEGMENT_BYTES = 16 * MEBIBYTE
# Kafka 4 takes no smaller segment; used where a topic's share is small.
SMALLEST_SEGMENT_BYTES = MEBIBYTE
# The active segment holds its offset and its time index preallocated.
INDEX_BYTES = 256 * 1024
# Closed segments keep trimmed indexes: 20 bytes for every 4096 of log, rounded up.
INDEX_SHARE = 0.01
# A share is cut into at least this many segments, so that eviction takes an eighth and not all.
SEGMENTS_PER_SHARE = 8
MAX_PARTITIONS = 12
# The ballast, the metadata log as gateway/broker.py bounds it, and Kafka's own topics.
BALLAST_BYTES, METADATA_BYTES, OWN_TOPICS_BYTES = 64 * MEBIBYTE, 64 * MEBIBYTE, 16 * MEBIBYTE
FIXED_BYTES = BALLAST_BYTES + METADATA_BYTES + OWN_TOPICS_BYTES
# For what is rounded up to blocks, and for what is appended until the broker looks at its retention, every 5 s.
RESERVE_PERCENT = 5
UNLIMITED = -1
# The barrier brings everything to the disk; said aloud, for logs that were made with 1 for alarms and events.
NEVER = str(2**63 - 1)


class Priority(StrEnum):
    """Which topics the disk gives up first: low before high; critical never."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicShare:
    """One topic: its share of the disk budget in per cent.

    `is_kept`: nothing of it ever goes, not by its own retention either.
    """

    topic: Topic
    share_percent: int
    priority: Priority
    is_kept: bool = False

    @property
    def name(self) -> str:
        """As Kafka knows it."""
        return self.topic.value

    def share_bytes(self, budget_bytes: int) -> int:
        """The topic's share of a budget, for all of its partitions and files."""
        return max(0, budget_bytes - FIXED_BYTES) * self.share_percent // 100

    def segment_bytes(self, budget_bytes: int, partitions: int) -> int:
        """Size of a segment: the usual one, or a power of two that fits the share."""
        wanted = self.share_bytes(budget_bytes) // partitions // SEGMENTS_PER_SHARE
        size = SEGMENT_BYTES
        while size > wanted and size > SMALLEST_SEGMENT_BYTES:
            size //= 2
        return size

    def retention_bytes(self, budget_bytes: int, partitions: int) -> int:
        """`retention.bytes` of one partition, so that all its files stay within the share (at least one segment)."""
        share = self.share_bytes(budget_bytes) // partitions
        segment = self.segment_bytes(budget_bytes, partitions)
        return max(segment, int((share - segment - 2 * INDEX_BYTES) * (1 - INDEX_SHARE)))

    def most_bytes(self, budget_bytes: int, partitions: int) -> int:
        """What Kafka lets the topic grow to: retention, one more segment, and their indexes, in every partition."""
        closed = int(self.retention_bytes(budget_bytes, partitions) * (1 + INDEX_SHARE)) + 1
        return partitions * (closed + self.segment_bytes(budget_bytes, partitions) + 2 * INDEX_BYTES)

    def config(self, budget_bytes: int, partitions: int) -> dict[str, str]:
        """The topic's own settings by Kafka's names; all else is the broker's default."""
        retention = UNLIMITED if self.is_kept else self.retention_bytes(budget_bytes, partitions)
        return {
            "retention.bytes": str(retention),
            "segment.bytes": str(self.segment_bytes(budget_bytes, partitions)),
            "flush.messages": NEVER,
        }


TOPICS = (
    TopicShare(topic=Topic.TELEMETRY_RAW, share_percent=30, priority=Priority.LOW),
    TopicShare(topic=Topic.TELEMETRY_CLEAN, share_percent=25, priority=Priority.MEDIUM),
    TopicShare(topic=Topic.TELEMETRY_1S, share_percent=12, priority=Priority.MEDIUM),
    TopicShare(topic=Topic.TELEMETRY_10S, share_percent=4, priority=Priority.MEDIUM),
    TopicShare(topic=Topic.TELEMETRY_1MIN, share_percent=6, priority=Priority.HIGH),
    TopicShare(topic=Topic.TELEMETRY_1HOUR, share_percent=2, priority=Priority.HIGH),
    TopicShare(topic=Topic.EVENTS_RAW, share_percent=1, priority=Priority.HIGH),
    TopicShare(topic=Topic.EVENTS_CLEAN, share_percent=3, priority=Priority.HIGH),
    TopicShare(topic=Topic.ALARMS_RAW, share_percent=1, priority=Priority.CRITICAL, is_kept=True),
    TopicShare(topic=Topic.ALARMS_CLEAN, share_percent=5, priority=Priority.CRITICAL, is_kept=True),
    TopicShare(topic=Topic.DLQ_TELEMETRY, share_percent=4, priority=Priority.CRITICAL),
    TopicShare(topic=Topic.DLQ_EVENTS, share_percent=1, priority=Priority.CRITICAL),
    TopicShare(topic=Topic.AUDIT_TRAIL, share_percent=1, priority=Priority.CRITICAL),
)


def smallest_budget_bytes(partitions: int) -> int:
    """The smallest budget in which every topic fits its share, with segments as small as Kafka takes them."""
    closed = int(SMALLEST_SEGMENT_BYTES * (1 + INDEX_SHARE)) + 1
    least = partitions * (closed + SMALLEST_SEGMENT_BYTES + 2 * INDEX_BYTES)
    return FIXED_BYTES + max(-(-least * 100 // topic.share_percent) for topic in TOPICS)
