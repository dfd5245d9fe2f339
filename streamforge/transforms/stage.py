"""One stage on one partition: reads, applies, writes, and goes on after a restart exactly where its output ends."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streamforge.bus.producer import Producer
from streamforge.bus.reader import Cause, Fetched, Hole, Reader, stored
from streamforge.codec import encode
from streamforge.errors import Rejected
from streamforge.incarnations import Incarnations
from streamforge.logs import Log
from streamforge.metrics import Metrics
from streamforge.model import AggregateBatch, DeadLetter, ReadingBatch, Record, Topic
from streamforge.progress import Partition, Position
from streamforge.transforms.base import Emit, Transform
from streamforge.transforms.last_mark import last_mark
from streamforge.transforms.losses import EVENTS, Counts, data_loss, hole_before, hole_headers
from streamforge.transforms.marks import Mark, read_mark
from streamforge.transforms.sides import Sides

_log = Log("transform")
FLUSH_SECONDS = 2.0
DEAD_LETTERS = Topic.DLQ_TELEMETRY.value


@dataclass(slots=True, kw_only=True)
class _Group:
    """The main outputs of one input (or tick): not held any more once all are acknowledged."""

    hold: int
    open_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A main output that waits for the side outputs before it. `hole`: what its input missed directly before."""

    emit: Emit
    next_offset: int
    group: _Group
    hole: Hole | None


def rows(record: Record) -> int:
    """How many readings (or rows) a record holds."""
    return len(record) if isinstance(record, ReadingBatch | AggregateBatch) else 1


class Stage:
    """One Transform object on one input partition."""

    def __init__(self, transform: Transform[Any], number: int, producer: Producer, metrics: Metrics) -> None:
        self._transform = transform
        self._producer = producer
        self._metrics = metrics
        self.place = Partition(transform.input, number)
        self._out = Partition(transform.output, number)
        self._writer = f"{type(transform).__name__.lower()}/{number}"
        self.next_offset = 0
        # The oldest input that a restart reads again, as the newest own output says it.
        self._hold_offset = 0
        self._incarnations = Incarnations()
        self._sides = Sides(self.place, transform.sides, self._writer)
        self._due: list[_Due] = []
        self._is_side_sent = False
        self._groups: deque[_Group] = deque()
        self._written: deque[tuple[int, int]] = deque()
        self._out_next = 0
        self._warned: set[str] = set()
        self._counts = Counts()
        self._hole: Hole | None = None

    def restore(self, reader: Reader) -> Iterator[None]:
        """Find the position in the own output, learn what stands, rebuild the state: in small pieces, one a `next`.

        Raises NotConnected, Fatal.
        """
        self._incarnations = reader.incarnations
        starts, ends = reader.starts([self.place, self._out]), reader.ends([self.place, self._out])
        self._out_next = ends[self._out]
        mark, _ = last_mark(reader, self._out)
        if mark is not None:
            self.next_offset = self._clamped(mark.position, ends[self.place])
            self._hold_offset = min(mark.hold, self.next_offset)
        yield from self._learn_sides(reader, mark)
        if mark is None:
            return
        for fetched in reader.stretch(self._out, max(mark.scan, starts[self._out]), ends[self._out]):
            self._tell_standing(fetched)
            yield
        for fetched in reader.stretch(self.place, max(mark.hold, starts[self.place]), self.next_offset):
            self._replay(fetched)
            yield
        self.finish()

    def _learn_sides(self, reader: Reader, mark: Mark | None) -> Iterator[None]:
        """What stands of them ahead of the position counts as just sent: perhaps nobody has waited for the disk yet."""
        yield from self._sides.learn(reader, mark, self.next_offset)
        for topic in self._sides.found():
            self._producer.settle(topic)
            self._is_side_sent = True

    def _clamped(self, position: Position, end: int) -> int:
        offset = min(self._incarnations.clamp(self.place, position).next_offset, end)
        if offset < position.next_offset:
            _log.warning("position_clamped", topic=self.place.topic, position=position.next_offset, to=offset)
        return offset

    def _tell_standing(self, fetched: Fetched) -> None:
        mark = read_mark(fetched.headers)
        if mark is None:
            return
        self._written.append((mark.position.next_offset, fetched.offset))
        try:
            self._transform.standing(stored(fetched), mark.position.next_offset)
        except Rejected as error:
            _log.warning("own_output_unreadable", topic=self._out.topic, offset=fetched.offset, reason=error.reason)

    def _replay(self, fetched: Fetched) -> None:
        try:
            record = stored(fetched)
        except Rejected:
            return
        self._counts.note(record.record)
        hold = self._hold(fetched.offset)
        missing = self._transform.replay(record)
        # Outputs are written in order of their inputs. So only of the last one some may not stand; of those before it
        # what does not stand any more was evicted.
        if fetched.offset + 1 == self.next_offset:
            self._collect(missing, self.next_offset, hold, side_offset=None)

    def take(self, fetched: Fetched) -> None:
        """The next input; one that this stage has had already is passed over."""
        if fetched.offset < self.next_offset:
            return
        hold = self._hold(fetched.offset)
        hole = hole_before(fetched, self.next_offset)
        self.next_offset = fetched.offset + 1
        if hole is not None:
            self._missed(hole, fetched)
        try:
            record = stored(fetched)
        except Rejected as error:
            self._bury(fetched, error.reason)
            return
        self._counts.note(record.record)
        self._metrics.records_in.inc(rows(record.record))
        self._collect(self._transform.apply(record), self.next_offset, hold, side_offset=fetched.offset)

    def _missed(self, hole: Hole, fetched: Fetched) -> None:
        """The next main output says so; an event, too, but of what was evicted: the one who evicts tells that."""
        self._hole = hole if self._hole is None else replace(hole, first=self._hole.first)
        if hole.cause is Cause.EVICTED or EVENTS not in self._transform.sides:
            return
        event = data_loss(
            hole,
            incarnation=self._incarnations.current,
            time_us=fetched.kafka_time_us,
            missing=self._counts.missing(fetched.value),
            source=self._writer,
        )
        self._send_side(Emit(topic=EVENTS, key=event.asset_id, record=event), fetched.offset)

    def tick(self, listened_us: int) -> None:
        """Let the transform emit what has waited long enough."""
        hold = self._hold(self.next_offset)
        self._collect(self._transform.tick(listened_us), self.next_offset, hold, side_offset=None)

    def _hold(self, offset: int) -> int:
        held = self._transform.holding()
        return offset if held is None else min(held, offset)

    def _bury(self, fetched: Fetched, reason: str) -> None:
        self._metrics.errors.labels(stage="decode", type="rejected").inc()
        if DEAD_LETTERS not in self._transform.sides:
            self._warn_once("record_unreadable", topic=self.place.topic, offset=fetched.offset, reason=reason)
            return
        letter = DeadLetter(
            topic=self.place.topic,
            partition=self.place.number,
            offset=fetched.offset,
            time_us=fetched.kafka_time_us,
            reason=reason,
            payload=fetched.value,
        )
        emit = Emit(topic=DEAD_LETTERS, key=fetched.key.decode(errors="replace"), record=letter)
        self._send_side(emit, fetched.offset)

    def _collect(self, emits: Iterable[Emit], next_offset: int, hold: int, side_offset: int | None) -> None:
        group = _Group(hold=hold, open_count=0)
        for emit in emits:
            if emit.topic == self._transform.output:
                group.open_count += 1
                self._due.append(_Due(emit=emit, next_offset=next_offset, group=group, hole=self._hole))
                self._hole = None
            elif side_offset is not None:
                self._send_side(emit, side_offset)
        if group.open_count:
            self._groups.append(group)

    def _send_side(self, emit: Emit, input_offset: int) -> None:
        if self._sides.stands(emit.topic, input_offset):
            return
        place, headers = self._sides.partition(emit.topic), self._sides.headers(input_offset)
        noted = self._sides.noted(emit.topic, input_offset)
        try:
            self._producer.send(place, emit.key.encode(), encode(emit.record), headers, noted)
        except Rejected as error:
            self._warn_once("output_refused", topic=emit.topic, key=emit.key, reason=error.reason)
            return
        self._is_side_sent = True

    def finish(self) -> bool:
        """Send the main outputs collected so far, after their side outputs are acknowledged; False = not yet."""
        if self._is_side_sent:
            if not self._producer.flush(FLUSH_SECONDS):
                return False
            self._is_side_sent = False
        for due in self._due:
            self._send_main(due)
        self._due.clear()
        return True

    def _send_main(self, due: _Due) -> None:
        while self._groups and self._groups[0].open_count == 0:
            self._groups.popleft()
        hold = self._groups[0].hold if self._groups else due.group.hold
        mark = Mark(
            place=self.place,
            position=Position(next_offset=due.next_offset, incarnation=self._incarnations.current),
            hold=hold,
            scan=self._scan(hold),
            sides=self._sides.since(due.next_offset),
        )
        headers = (*mark.headers(), *hole_headers(due.hole))
        count = rows(due.emit.record)

        def noted(offset: int) -> None:
            self._written.append((due.next_offset, offset))
            self._out_next = offset + 1
            due.group.open_count -= 1
            self._hold_offset = hold
            self._metrics.records_out.inc(count)

        try:
            self._producer.send(self._out, due.emit.key.encode(), encode(due.emit.record), headers, noted)
        except Rejected as error:  # larger than the broker takes: it would never go
            due.group.open_count -= 1
            self._metrics.dropped.labels(intentional="false").inc(count)
            self._warn_once("output_refused", topic=self._out.topic, key=due.emit.key, reason=error.reason)

    def _warn_once(self, event: str, **fields: object) -> None:
        """The first of its kind is worth a line, the rest a metric."""
        if event not in self._warned:
            self._warned.add(event)
            _log.warning(event, **fields)

    def _scan(self, hold: int) -> int:
        while self._written and self._written[0][0] <= hold:
            self._written.popleft()
        return self._written[0][1] if self._written else self._out_next

    def details(self, lags: Mapping[Partition, int]) -> dict[str, object]:
        """Input, output, position and lag, for health; `hold_offset` is the oldest input that it still needs."""
        lag = lags.get(self.place, 0)
        return {
            "input": self.place.topic,
            "partition": self.place.number,
            "hold_offset": self._hold_offset,
            "incarnation": self._incarnations.current,
            "output": self._out.topic,
            "next_offset": self.next_offset,
            "end_offset": self.next_offset + lag,
            "lag_records": lag,
        }
