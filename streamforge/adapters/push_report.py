"""Report by exception where readings arrive by themselves: rules and memory by asset and parameter, not by place."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streamforge.adapters.base import EVERY_READING, Batch, Device, ReportRule, SignalRule
from streamforge.adapters.deadband import Last, Reporter
from streamforge.model import Names

RulesOf = Callable[[str, str], tuple[ReportRule, SignalRule | None] | None]
# A peer that sends ever new kinds of messages shall not fill the memory; what is forgotten is reported once more.
MOST_KINDS = 4_096
MOST_PARAMETERS = 100_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """Readings of these parameters of one asset."""

    reporter: Reporter
    signals: Sequence[SignalRule | None]


def _no_rules(_asset_id: str, _parameter: str) -> None:
    return None


class PushReporter:
    """Knows what is due of each batch, and by which rules signals come of it."""

    def __init__(self, devices: Iterable[Device], rules_of: RulesOf = _no_rules) -> None:
        """`rules_of` is asked for parameters that no device names."""
        self._rules_of = rules_of
        self._rules: dict[tuple[str, str], tuple[ReportRule, SignalRule | None]] = {}
        for device in devices:
            for index, parameter in enumerate(device.names.parameters):
                rule = device.rules[index] if device.rules else EVERY_READING
                signal = device.signals[index] if device.signals else None
                self._rules[device.asset_id, parameter] = (rule, signal)
        self._lasts: dict[tuple[str, str], Last] = {}
        self._kinds: dict[tuple[str, Names], _Kind] = {}

    def select(self, batch: Batch, now_seconds: float) -> Batch | None:
        """The due part of a batch; None where nothing is."""
        return self._kind(batch).reporter.select(batch, now_seconds)

    def signals(self, batch: Batch) -> Sequence[SignalRule | None]:
        """A rule a reading; empty where none has one."""
        return self._kind(batch).signals

    def _kind(self, batch: Batch) -> _Kind:
        key = (batch.asset_id, batch.names)
        found = self._kinds.get(key)
        if found is None:
            if len(self._kinds) >= MOST_KINDS or len(self._lasts) >= MOST_PARAMETERS:
                self._kinds.clear()
            if len(self._lasts) >= MOST_PARAMETERS:
                self._lasts.clear()
            found = self._kinds[key] = self._new_kind(batch)
        return found

    def _new_kind(self, batch: Batch) -> _Kind:
        keys = [(batch.asset_id, parameter) for parameter in batch.names.parameters]
        rules = [self._rules.get(key) or self._rules_of(*key) or (EVERY_READING, None) for key in keys]
        signals = [signal for _, signal in rules]
        lasts = [self._lasts.setdefault(key, Last()) for key in keys]
        return _Kind(Reporter([rule for rule, _ in rules], lasts), signals if any(signals) else ())
