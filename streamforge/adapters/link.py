"""The adapter's way to the log: makes the producer, makes a new one after a failure, feeds it from the outbox."""

from collections.abc import Callable, Mapping

from streamforge.adapters.epochs import Epochs
from streamforge.adapters.outbox import TELEMETRY, Outbox
from streamforge.backoff import Backoff
from streamforge.bus.connection import Connection
from streamforge.bus.presence import Presence
from streamforge.bus.producer import Producer
from streamforge.bus.reader import Reader
from streamforge.codec import decode
from streamforge.errors import NotConnected, Rejected
from streamforge.logs import Log
from streamforge.model import ReadingBatch
from streamforge.progress import OwnNumber, Partition

_log = Log("adapter")
LINGER_MS = 20
# How far back from the end of the log an adapter looks at first for its own last records.
TAIL_RECORDS = 4_000

# epoch -> seq -> count of the epoch's readings up to the end of that record
Tail = dict[int, dict[int, int]]


class Link:
    """Holds the producer. `connect` blocks for seconds and is called from a worker thread; the rest never blocks."""

    def __init__(self, connection: Connection, adapter_id: str, topics: tuple[str, ...]) -> None:
        self._connection = connection
        self._topics = topics
        self._adapter_id = adapter_id
        self._producer: Producer | None = None
        self._partitions = 1
        self._stamp = 0
        self.backoff = Backoff()
        self._presence = Presence(_log, connection.bootstrap)

    @property
    def is_connected(self) -> bool:
        """Whether records can be handed over."""
        return self._producer is not None

    @property
    def reason(self) -> str:
        """Why the broker is away; "" = it is there."""
        return self._presence.reason

    def incarnation(self) -> int:
        """The number of the log's incarnation in force."""
        return self._connection.incarnations().current

    @property
    def is_outdated(self) -> bool:
        """Whether the log has begun a new incarnation since it was connected to: its tail must be read again."""
        return self._connection.incarnations_stamp() != self._stamp

    def connect(self) -> None:
        """Make a producer. Raises NotConnected; ConfigError and Fatal for what time does not heal."""
        stamp = self._connection.incarnations_stamp()
        producer = Producer(self._connection, self._topics, linger_ms=LINGER_MS)
        reader = Reader(self._connection)
        try:
            self._partitions = len(reader.partitions(TELEMETRY))
        finally:
            reader.close()
        self._presence.note("")
        self._stamp = stamp
        self.backoff.reset()
        self._producer = producer

    def own_tail(self, is_enough: Callable[[Tail, int], bool], see: Callable[[ReadingBatch], None]) -> Tail:
        """This adapter's newest records on the log, from as far back as `is_enough` asks or the log goes.

        It is told what was found, and how many records of this partition were looked at. `see` is shown each found.
        """
        reader = Reader(self._connection)
        try:
            found: Tail = {}
            for place in reader.partitions(TELEMETRY):
                looked = 0
                for stretch in reader.backwards(place, TAIL_RECORDS):  # other adapters' records stand between ours
                    for fetched in stretch:
                        looked += 1
                        _note(found, fetched.value, self._adapter_id, see)
                    if is_enough(found, looked):
                        break
            return found
        finally:
            reader.close()

    def own_signals(self, epoch: int, oldest: Mapping[str, int]) -> dict[str, set[int]]:
        """Topic -> numbers of this adapter's alarms, events and dead letters there, back to the oldest asked for."""
        reader = Reader(self._connection)
        try:
            return {
                topic: set().union(*(self._own(reader, place, epoch, number) for place in reader.partitions(topic)))
                for topic, number in oldest.items()
            }
        finally:
            reader.close()

    def _own(self, reader: Reader, place: Partition, epoch: int, oldest: int) -> set[int]:
        found: set[int] = set()
        for stretch in reader.backwards(place, TAIL_RECORDS):
            owns = [OwnNumber.of(fetched.headers) for fetched in stretch]
            mine = [own for own in owns if own and own.writer == self._adapter_id]
            found.update(own.number for own in mine if own.epoch == epoch)
            if any(own.epoch < epoch or own.number <= oldest for own in mine):
                break
        return found

    def away(self, error: BaseException) -> None:
        """Note that the broker cannot be reached; said once."""
        self._presence.note(str(error) or type(error).__name__)

    def pump(self, outbox: Outbox) -> None:
        """Hand over what the outbox holds; a failed producer is let go. Raises Fatal where time does not heal."""
        if self._producer is None:
            return
        failure = self._producer.failure
        try:
            if failure is not None:
                raise failure
            outbox.pump(self._producer, self._partitions)
        except NotConnected as error:
            self.away(error)
            self.drop()

    def drop(self) -> None:
        """Let the producer go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(0.0)

    def finish(self, timeout_seconds: float) -> None:
        """Wait until what was handed over is acknowledged, no longer than this. Raises what failed."""
        if self._producer is not None:
            self._producer.flush(timeout_seconds)


def _note(found: Tail, value: bytes, adapter_id: str, see: Callable[[ReadingBatch], None]) -> None:
    try:
        record = decode(value)
    except Rejected:
        return
    if isinstance(record, ReadingBatch) and record.source.adapter_id == adapter_id:
        found.setdefault(record.epoch, {})[record.seq] = record.count_before + len(record)
        see(record)


def correct_closed(epochs: Epochs, tail: Tail) -> None:
    """What a killed process had on the log and could not note itself becomes the count of its epoch."""
    for closed in list(epochs.closed):
        counts = tail.get(closed.epoch)
        if counts and max(counts.values()) > closed.read:
            epochs.correct(closed.epoch, max(counts.values()))
