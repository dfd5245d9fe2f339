"""Report by exception: which readings of a scan are worth a record. Pure; time comes in as an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamforge.adapters.base import EVERY_READING, Batch, Device, ReportRule
from streamforge.model import Names, Quality, Value, names

BAD = Quality.BAD.value


@dataclass(slots=True)
class Last:
    """What was last reported of one parameter; the time is of the monotonic clock."""

    value: Value = None
    quality: int = 0
    at_seconds: float = float("-inf")


class Reporter:
    """Remembers what was last reported and selects from each scan of the same parameters what is due.

    A reading is due when its parameter reports every reading, when it changed by more than the deadband, when its
    quality changed, or after `max_silence_seconds`. A BAD reading is due once, then at `max_silence_seconds`.
    """

    def __init__(self, rules: Sequence[ReportRule], lasts: Sequence[Last]) -> None:
        """One rule and one memory a parameter; what else selects readings of the same parameters shares the memory."""
        self._rules = rules
        self._lasts = lasts
        self._has_deadbands = any(rule.deadband is not None for rule in rules)
        self._subsets: dict[tuple[int, ...], Names] = {}

    def select(self, batch: Batch, now_seconds: float) -> Batch | None:
        """The due part of a scan: the same object where all is due, None where nothing is."""
        if not self._has_deadbands and BAD not in batch.qualities and not self._was_bad():
            return batch
        chosen = [index for index in range(len(batch.values)) if self._is_due(index, batch, now_seconds)]
        if not chosen:
            return None
        return batch if len(chosen) == len(batch.values) else self._subset(batch, chosen)

    def _was_bad(self) -> bool:
        return any(last.quality == BAD for last in self._lasts)

    def _is_due(self, index: int, batch: Batch, now_seconds: float) -> bool:
        rule, last = self._rules[index], self._lasts[index]
        quality = batch.qualities[index] if batch.qualities else 0
        value = batch.others[index] if index in batch.others else batch.values[index]
        is_due = (
            quality != last.quality
            or now_seconds - last.at_seconds >= rule.max_silence_seconds
            or (quality != BAD and _is_changed(rule, last.value, value))
        )
        if is_due:
            last.value, last.quality, last.at_seconds = value, quality, now_seconds
        return is_due

    def _subset(self, batch: Batch, chosen: list[int]) -> Batch:
        key = tuple(chosen)
        if key not in self._subsets:
            if len(self._subsets) >= 256:
                self._subsets.clear()
            self._subsets[key] = part_of_names(batch.names, chosen)
        return part(batch, chosen, self._subsets[key])


def part_of_names(whole: Names, chosen: Sequence[int]) -> Names:
    """These columns."""
    return names(
        tuple(whole.parameters[i] for i in chosen),
        tuple(whole.units[i] for i in chosen),
        bytes(whole.kinds[i] for i in chosen),
    )


def part(batch: Batch, chosen: Sequence[int], columns: Names) -> Batch:
    """These readings of a batch; `columns` are theirs."""
    place = {old: new for new, old in enumerate(chosen)}
    times = batch.device_times_us
    return replace(
        batch,
        names=columns,
        values=tuple(batch.values[i] for i in chosen),
        others={place[i]: value for i, value in batch.others.items() if i in place},
        qualities=bytes(batch.qualities[i] for i in chosen) if batch.qualities else b"",
        reasons={place[i]: reason for i, reason in batch.reasons.items() if i in place},
        device_times_us=times if len(times) < 2 else tuple(times[i] for i in chosen),
    )


def reporter_of(device: Device) -> Reporter:
    """For scans of this device."""
    count = len(device.names)
    return Reporter(device.rules or (EVERY_READING,) * count, [Last() for _ in range(count)])


def _is_changed(rule: ReportRule, last: Value, value: Value) -> bool:
    if rule.deadband is None:
        return True
    if isinstance(last, int | float) and isinstance(value, int | float):
        if value == last:
            return False
        band = abs(last) * rule.deadband / 100.0 if rule.percent else rule.deadband
        return not abs(value - last) <= band
    return last != value
