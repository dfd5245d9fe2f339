"""Reads the points of one device scan by scan, and learns which of them the device does not have."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from streamforge.adapters.modbus_decode import Decoder
from streamforge.adapters.modbus_failures import Failure
from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.modbus_split import halves, together
from streamforge.adapters.register_plan import Budget, Request, plan

REFUSED_SECONDS = 600.0
STARTING_SECONDS = 60.0

Ask = Callable[[Question], Awaitable[bytes | Failure]]
Compile = Callable[[Request], Question]


@dataclass(slots=True, eq=False)
class _Step:
    """One request, ready to be asked; `refused` is what the device said to it, until it is asked again."""

    request: Request
    question: Question
    decoder: Decoder
    refused: Failure | None = None
    again_seconds: float = 0.0


@dataclass(slots=True)
class _Found:
    """What became of one step in one scan: the requests that were decoded, in order, and those to ask next time."""

    read: tuple[_Step, ...]
    ask: tuple[_Step, ...]


class Reader:
    """The points of one device at one interval; readings come in the order of `points`, however they are asked for."""

    def __init__(self, points: Sequence[Point], budget: Budget, compile_question: Compile) -> None:
        self._points = tuple(points)
        self._compile = compile_question
        self._divides_from_seconds = 0.0
        self.replan(budget)

    def replan(self, budget: Budget) -> None:
        """Ask by this budget from now on; what was learned is learned again."""
        self._budget = budget
        self._use([self._step(request) for request in plan(self._points, budget)])

    async def scan(self, ask: Ask) -> Scan:
        """One reading for each point. Where the unit is not there, the rest is not asked for and has the same reason.

        Raises what `ask` raises.
        """
        run = _Run(ask, self._step, may_divide=monotonic() >= self._divides_from_seconds)
        found = [await run.read(step) for step in self._steps]
        read = [step for one in found for step in one.read]
        places = self._places if read == self._steps else _places(self._points, read)
        self._learn(run, [step for one in found for step in one.ask])
        return run.scan.in_order(places) if places else run.scan

    def _learn(self, run: "_Run", steps: list[_Step]) -> None:
        if run.absence is not None:
            return
        if run.has_answered:
            self._divides_from_seconds = 0.0
            if run.has_recovered:
                self.replan(self._budget)
            elif run.has_divided:
                self._use(steps)
        elif run.is_refused:  # everything: it may be starting, so it is asked the same again, rarely tag by tag
            if run.may_divide:
                self._divides_from_seconds = monotonic() + STARTING_SECONDS
            for step in self._steps:
                step.refused = None

    def _use(self, steps: list[_Step]) -> None:
        self._steps = steps
        self._places = _places(self._points, steps)

    def _step(self, request: Request) -> _Step:
        return _Step(request, self._compile(request), Decoder(request))


class _Run:
    """One scan under way."""

    def __init__(self, ask: Ask, step: Callable[[Request], _Step], *, may_divide: bool) -> None:
        self.scan = Scan()
        self.absence: Failure | None = None
        self.has_answered = self.has_divided = self.has_recovered = self.is_refused = False
        self.may_divide = may_divide
        self._ask, self._step = ask, step

    async def read(self, step: _Step) -> _Found:
        """The readings of one step; where the device refuses the range, those of its parts."""
        known = self.absence or (step.refused if monotonic() < step.again_seconds else None)
        if known:
            self._fail(step, known)
            return _Found((step,), (step,))
        outcome = await self._ask(step.question)
        if isinstance(outcome, bytes):
            self.has_answered = True
            self.has_recovered |= step.refused is not None
            step.decoder.decode(outcome, self.scan)
        elif self.may_divide and outcome.is_divisible and (parts := halves(step.request)):
            return await self._divide(*parts)
        else:
            self._note(step, outcome)
            self._fail(step, outcome)
        return _Found((step,), (step,))

    async def _divide(self, left_part: Request, right_part: Request) -> _Found:
        self.has_divided = True
        left, right = await self.read(self._step(left_part)), await self.read(self._step(right_part))
        steps = {step.request: step for step in (*left.ask, *right.ask)}
        refused = [request for request, step in steps.items() if step.refused]
        kept = together([s.request for s in left.ask], [s.request for s in right.ask], refused)
        return _Found((*left.read, *right.read), tuple(steps.get(r) or self._step(r) for r in kept))

    def _note(self, step: _Step, failure: Failure) -> None:
        if failure.ends_scan:
            self.absence = failure
        elif failure.is_lasting:
            self.is_refused = True
            step.refused, step.again_seconds = failure, monotonic() + REFUSED_SECONDS

    def _fail(self, step: _Step, failure: Failure) -> None:
        self.scan.fail(len(step.decoder.points), failure.quality, failure.reason)


def _places(wanted: Sequence[Point], steps: Sequence[_Step]) -> Sequence[int]:
    """Where each wanted point stands among the decoded ones; empty where they come in the wanted order."""
    decoded = {point.parameter: place for place, point in enumerate(p for s in steps for p in s.decoder.points)}
    places = [decoded[point.parameter] for point in wanted]
    return () if places == sorted(places) else places
