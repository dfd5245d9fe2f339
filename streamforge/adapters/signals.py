"""Rows of the class EVENT or ALARM: what their values make besides readings.

Each change of an EVENT row is an event; an ALARM row raises an alarm when its condition begins to hold and clears it
when it ends. What was said last is kept, so that a unit that starts anew says only what is new. Pure; time comes in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamforge.adapters.base import Batch, SignalRule
from streamforge.model import Alarm, AlarmState, Event, Quality, Value

Signal = Event | Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The last signal of one parameter: its number, the value it told, and since when an alarm is raised (0 = none)."""

    number: int = 0
    value: Value = None
    raised_at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One value of one parameter."""

    asset_id: str
    parameter: str
    unit: str
    value: Value
    time_us: int

    @property
    def key(self) -> str:
        return f"{self.asset_id}/{self.parameter}"


class Signals:
    """What was said of each parameter of one adapter."""

    def __init__(self, adapter_id: str, said: Mapping[str, Said] | None = None) -> None:
        self._adapter_id = adapter_id
        self._said = dict(said or {})
        self._first_number = 0
        # Of each parameter of which signals are on their way to the log: these in order, and what the log has before.
        self._under_way: dict[str, list[tuple[Signal, Said]]] = {}
        self._on_log: dict[str, Said | None] = {}

    def forgot(self, epoch: int) -> None:
        """What was said before is not known: events are numbered where no earlier epoch has been.

        Under a number that was given before, a table that is keyed by it would take a new event for the old one.
        """
        self._first_number = epoch * 1_000_000

    def look(self, rules: Sequence[SignalRule | None], batch: Batch, time_us: int) -> list[Signal]:
        """What is new in readings taken at `time_us`, one rule each; a value that is BAD or null says nothing."""
        return [
            signal
            for index, rule in enumerate(rules)
            if rule is not None and (seen := _seen(batch, index, time_us)) is not None
            for signal in self._new(seen, rule)
        ]

    def _new(self, seen: _Seen, rule: SignalRule) -> Iterable[Signal]:
        before = self._said.get(seen.key)
        for signal in self._event(seen, rule) if rule.condition is None else self._alarm(seen, rule):
            self._on_log.setdefault(seen.key, before)
            self._under_way.setdefault(seen.key, []).append((signal, self._said[seen.key]))
            yield signal

    def acknowledged(self, signal: Signal) -> None:
        """The log has it: only then it is among what is kept."""
        key = f"{signal.asset_id}/{signal.type}"
        under_way = self._under_way.get(key, [])
        for place, (one, said) in enumerate(under_way):
            if one is signal:
                self._on_log[key] = said
                del under_way[: place + 1]
                break
        if not under_way:
            self._under_way.pop(key, None)
            self._on_log.pop(key, None)

    def _event(self, seen: _Seen, rule: SignalRule) -> Iterable[Event]:
        """A change; the first value of all is none."""
        before = self._said.get(seen.key)
        if before is not None and before.value == seen.value:
            return
        self._said[seen.key] = Said(
            number=self._first_number if before is None else before.number + 1, value=seen.value
        )
        if before is not None:
            yield Event(
                event_id=self._id(seen),
                asset_id=seen.asset_id,
                type=seen.parameter,
                severity=rule.severity,
                time_us=seen.time_us,
                message=rule.message or _change(seen, before.value),
                source=self._adapter_id,
                details={"parameter": seen.parameter, "value": _words(seen.value), "before": _words(before.value)},
            )

    def _alarm(self, seen: _Seen, rule: SignalRule) -> Iterable[Alarm]:
        """The begin and the end of a condition, under one id."""
        before = self._said.get(seen.key, Said())
        holds = rule.condition.holds(seen.value) if rule.condition else None
        if holds is None or holds == bool(before.raised_at_us):
            return
        raised_at_us = seen.time_us if holds else before.raised_at_us
        number = before.number + holds
        self._said[seen.key] = Said(number=number, value=seen.value, raised_at_us=seen.time_us if holds else 0)
        yield Alarm(
            alarm_id=self._id(seen),
            asset_id=seen.asset_id,
            type=seen.parameter,
            severity=rule.severity,
            state=AlarmState.UNACKNOWLEDGED if holds else AlarmState.RETURNED_UNACKNOWLEDGED,
            raised_at_us=raised_at_us,
            cleared_at_us=0 if holds else seen.time_us,
            message=rule.message or f"{seen.parameter} is {_words(seen.value)} {seen.unit}".rstrip(),
            value=float(seen.value) if isinstance(seen.value, int | float) else float("nan"),
            threshold=rule.condition.threshold if rule.condition else float("nan"),
            unit=seen.unit,
        )

    def _id(self, seen: _Seen) -> str:
        return f"{self._adapter_id}/{seen.key}/{self._said[seen.key].number}"

    def to_json(self) -> dict[str, Any]:
        """What was said and the log has, to be kept: a unit that is killed says the rest once more."""
        return {key: asdict(said) for key, said in {**self._said, **self._on_log}.items() if said is not None}


def said_of(raw: Mapping[str, Any]) -> dict[str, Said]:
    """The inverse of `to_json`. Raises TypeError where it is none."""
    return {key: Said(**fields) for key, fields in raw.items()}


def _seen(batch: Batch, index: int, time_us: int) -> _Seen | None:
    value = batch.others[index] if index in batch.others else batch.values[index]
    if value is None or (batch.qualities and batch.qualities[index] == Quality.BAD):
        return None
    times = batch.device_times_us
    return _Seen(
        asset_id=batch.asset_id,
        parameter=batch.names.parameters[index],
        unit=batch.names.units[index],
        value=value,
        time_us=((times[index] if len(times) > 1 else times[0]) if times else 0) or time_us,
    )


def _change(seen: _Seen, before: Value) -> str:
    return f"{seen.parameter}: {_words(before)} -> {_words(seen.value)} {seen.unit}".rstrip()


def _words(value: Value) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
