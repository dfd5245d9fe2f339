"""The side outputs of one stage: which stand already after a restart, and where the next restart looks for them."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping

from streamforge.bus.reader import Reader
from streamforge.incarnations import Incarnations
from streamforge.progress import Headers, Partition, Position
from streamforge.transforms.marks import Mark, SideMark, read_side_mark


class Sides:
    """Of one input partition. Side outputs are written in the order of their inputs, before the main outputs."""

    def __init__(self, place: Partition, topics: tuple[str, ...], writer: str) -> None:
        self._place = place
        self._topics = topics
        self._writer = writer
        self._incarnations = Incarnations()
        self._next: dict[str, int] = {}
        self._ahead: dict[str, deque[tuple[int, int]]] = {topic: deque() for topic in topics}
        self._standing: Counter[tuple[str, int]] = Counter()
        # By topic: those of inputs before this one stood there, and were evicted.
        self._evicted: dict[str, int] = {}

    def partition(self, topic: str) -> Partition:
        """Where side outputs to this topic go."""
        return Partition(topic, self._place.number)

    def learn(self, reader: Reader, mark: Mark | None, next_offset: int) -> Iterator[None]:
        """Take note of own side outputs of inputs from `next_offset` on, in small pieces; `mark`: the newest main one.

        Where records were evicted since that mark, those are known by the oldest that is found: what is older has stood
        there, and the newest record of a topic is never evicted. Raises NotConnected.
        """
        self._incarnations = reader.incarnations
        for topic in self._topics:
            side = self.partition(topic)
            start, end = reader.starts([side])[side], reader.ends([side])[side]
            since = self._since(topic, mark)
            self._next[topic] = end
            for fetched in reader.stretch(side, max(since, start), end):
                found = read_side_mark(fetched.headers)
                if found is not None and found.writer == self._writer:
                    input_offset, clamped = found.input_offset, self._clamped(found)
                    if 0 < start >= since:
                        self._evicted.setdefault(topic, min(input_offset, clamped))
                    if next_offset <= input_offset < clamped:
                        self._standing[topic, input_offset] += 1
                        self._ahead[topic].append((input_offset, fetched.offset))
                yield

    def _since(self, topic: str, mark: Mark | None) -> int:
        if mark is None or topic not in mark.sides:
            return 0
        at = Position(next_offset=mark.sides[topic], incarnation=mark.position.incarnation)
        return self._incarnations.clamp(self.partition(topic), at).next_offset

    def _clamped(self, found: SideMark) -> int:
        """The offset after its input; no more than that where the input was lost, and its offset given out anew."""
        at = Position(next_offset=found.input_offset + 1, incarnation=found.incarnation)
        return self._incarnations.clamp(self._place, at).next_offset

    def found(self) -> tuple[str, ...]:
        """The topics on which side outputs of inputs that are still to come stand."""
        return tuple(topic for topic in self._topics if self._ahead[topic])

    def stands(self, topic: str, input_offset: int) -> bool:
        """Whether the next side output of this input stood there before the restart."""
        if input_offset < self._evicted.get(topic, 0):
            return True
        if self._standing[topic, input_offset] <= 0:
            return False
        self._standing[topic, input_offset] -= 1
        return True

    def headers(self, input_offset: int) -> Headers:
        """What a side output of this input says of itself."""
        incarnation = self._incarnations.current
        return SideMark(writer=self._writer, input_offset=input_offset, incarnation=incarnation).headers()

    def noted(self, topic: str, input_offset: int) -> Callable[[int], None]:
        """To be called with the offset of a side output once it is acknowledged."""

        def noted(offset: int) -> None:
            self._next[topic] = max(self._next.get(topic, 0), offset + 1)
            self._ahead[topic].append((input_offset, offset))

        return noted

    def since(self, next_offset: int) -> Mapping[str, int]:
        """Where a restart from this position looks for side outputs: not beyond the first of a later input.

        Side outputs of a whole poll stand before its first main output is sent, and the last ones may never be.
        """
        sides = dict(self._next)
        for topic, ahead in self._ahead.items():
            while ahead and ahead[0][0] < next_offset:
                ahead.popleft()
            if ahead:
                sides[topic] = ahead[0][1]
        return sides
