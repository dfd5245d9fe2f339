"""When windows open, close, are revised and forgotten: event time against a watermark per asset.

The rules, each a function of a short stretch of the input, so that a restart decides the same:
- The watermark of an asset is the greatest time of its records. A record more than `step_us` before the one before it
  says that the clock was set back: the watermark follows, and windows that now lie too far ahead are closed at once.
- A window is told (emitted) once the watermark has passed its end by `delay_us`; told again, as the next revision, at
  most once per advance of the watermark, when it has more samples than before.
- It is forgotten once the watermark has passed its end by `retention_us`; what comes for it later is late.
- An asset that falls silent is forgotten once `silent_records` records of others have passed and one of them is so
  late that none of its windows could still be kept; or ten times as many, all so early that its clock was ahead.

`holding` is never above the first offset of a window that is kept, nor above the record that set a watermark. So after
a replay from there windows kept before are whole; a window that was forgotten before may be rebuilt in part, and then
stays untold because the one that stands covers at least as much. That needs every own output that an input at or after
`holding` caused to be told by `stands`.

What stands is forgotten like a window, but never before the input that caused it has passed: a replay may meet a late
clock first, from before it was set back, and the windows told after that are not over yet.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from streamforge.model import AggregateBatch
from streamforge.transforms.latest import Latest

SILENT_FACTOR = 10
CHECK_EVERY = 64
NEVER = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The times of one stage, in microseconds (see the module).

    `ahead_us` is how far ahead of the watermark samples may lie; `silence_us` after its end, counted from the watermark
    on by the time that `tick` is told, a window of an asset that says nothing more is told.
    """

    size_us: int
    delay_us: int
    retention_us: int
    step_us: int
    ahead_us: int
    silence_us: int
    silent_records: int


class Content(Protocol):
    """What a window holds. `total` counts all its readings, BAD ones too, and never falls."""

    total: int

    def batch(self, asset_id: str, start_us: int, end_us: int, revision: int) -> AggregateBatch:
        """The window as a record."""


W = TypeVar("W", bound=Content)


class Window(Generic[W]):
    """One window of one asset. `told_total` readings stand in the output under `revision` (-1 = nothing stands)."""

    __slots__ = ("content", "first_offset", "is_changed", "revision", "start_us", "told_total")

    def __init__(self, start_us: int, first_offset: int, content: W, standing: tuple[int, int]) -> None:
        self.start_us = start_us
        self.first_offset = first_offset
        self.content = content
        self.revision, self.told_total = standing
        self.is_changed = False


class Standing(NamedTuple):
    """One own output in the log: its window's revision and readings, and the input position that it covers."""

    revision: int
    total: int
    next_offset: int


class Asset(Generic[W]):
    """The windows of one asset and its place in time."""

    __slots__ = (
        "asset_id", "due_us", "first_offset", "has_advanced", "heard_us", "last_offset", "last_us", "watermark_offset",
        "watermark_us", "windows",
    )  # fmt: skip

    def __init__(self, asset_id: str, offset: int, time_us: int) -> None:
        self.asset_id = asset_id
        self.windows: dict[int, Window[W]] = {}
        self.watermark_us = self.last_us = time_us
        self.watermark_offset = self.last_offset = self.first_offset = offset
        self.has_advanced = True
        self.due_us = NEVER
        self.heard_us = 0


class Windows(Generic[W]):
    """All open and retained windows of one stage on one partition."""

    def __init__(self, timing: Timing, make: Callable[[], W]) -> None:
        self._timing = timing
        self._make = make
        self._assets: OrderedDict[str, Asset[W]] = OrderedDict()  # the longest silent first
        self._standing: dict[str, dict[int, tuple[Standing, ...]]] = {}
        self._latest = Latest(timing.silent_records * SILENT_FACTOR)
        self._held: int | None = None
        self._held_at = -NEVER
        self._offset = 0
        self._listened_us = 0

    def stands(self, asset_id: str, start_us: int, standing: Standing) -> None:
        """Take note of an own output in the log; of a window the greatest revision counts."""
        of_asset = self._standing.setdefault(asset_id, {})
        of_asset[start_us] = (*of_asset.get(start_us, ()), standing)

    def holding(self) -> int | None:
        """The oldest offset that a restart must read again, or an older one; None = nothing is kept."""
        if not self._assets:
            self._held = None
        elif self._held is None or self._offset - self._held_at >= len(self._assets) // 8:
            self._held = min(asset.first_offset for asset in self._assets.values())
            self._held_at = self._offset
        return self._held

    def advance(self, offset: int, asset_id: str, time_us: int) -> tuple[Asset[W], list[AggregateBatch]]:
        """The asset of this record with its watermark moved, and what must be told before the record is taken."""
        self._offset = offset
        self._latest.note(offset, time_us)
        told = list(self._forget_silent(offset)) if offset % CHECK_EVERY == 0 else []
        asset = self._assets.get(asset_id)
        if asset is None:
            asset = self._assets[asset_id] = Asset(asset_id, offset, time_us)
            asset.heard_us = self._listened_us
            return asset, told
        self._assets.move_to_end(asset_id)
        asset.last_offset, asset.heard_us = offset, self._listened_us
        before_us, asset.last_us = asset.last_us, time_us
        asset.has_advanced = time_us > asset.watermark_us
        if time_us >= asset.watermark_us or time_us < before_us - self._timing.step_us:
            asset.watermark_us, asset.watermark_offset = time_us, offset
            if time_us < before_us:
                told += self._set_back(asset)
        return asset, told

    def window(self, asset: Asset[W], start_us: int, offset: int) -> Window[W] | None:
        """The window that starts here, about to be changed; None = what comes for it is late."""
        timing = self._timing
        window = asset.windows.get(start_us)
        if window is None:
            if start_us + timing.size_us + timing.retention_us <= asset.watermark_us:
                return None
            stands = self._standing.get(asset.asset_id, {}).get(start_us)
            told = max(stands)[:2] if stands else (-1, 0)
            window = asset.windows[start_us] = Window(start_us, offset, self._make(), told)
        window.is_changed = True
        asset.due_us = min(asset.due_us, start_us + timing.size_us + timing.delay_us)
        return window

    def close(self, asset: Asset[W]) -> list[AggregateBatch]:
        """After a record was taken: what its watermark closes; forgets what is past its retention."""
        if not asset.has_advanced or asset.watermark_us < asset.due_us:
            if not asset.windows:
                asset.first_offset = asset.watermark_offset
            return []
        closed_us = asset.watermark_us - self._timing.delay_us
        told = list(self._tell(asset, closed_us))
        over_us = asset.watermark_us - self._timing.retention_us - self._timing.size_us
        self._drop(asset, [start for start in asset.windows if start <= over_us])
        self._forget_standing(asset.asset_id, lambda start_us: start_us <= over_us)
        return told

    def tick(self, listened_us: int) -> list[AggregateBatch]:
        """What is told because its asset has been silent for long; nothing is forgotten."""
        self._listened_us = listened_us
        since_us = listened_us - self._timing.silence_us
        assets = self._assets.values()
        return [batch for one in assets for batch in self._tell(one, one.watermark_us + since_us - one.heard_us)]

    def _tell(self, asset: Asset[W], until_us: int) -> Iterator[AggregateBatch]:
        size_us = self._timing.size_us
        for start_us in sorted([start for start, w in asset.windows.items() if w.is_changed]):
            window = asset.windows[start_us]
            if start_us + size_us > until_us:
                break
            window.is_changed = False
            if window.content.total > window.told_total:
                window.revision += 1
                window.told_total = window.content.total
                yield window.content.batch(asset.asset_id, start_us, start_us + size_us, window.revision)

    def _set_back(self, asset: Asset[W]) -> list[AggregateBatch]:
        asset.has_advanced = True
        told = list(self._tell(asset, NEVER))
        far_us = asset.watermark_us + self._timing.ahead_us + self._timing.size_us
        self._drop(asset, [start for start in asset.windows if start > far_us])
        self._forget_standing(asset.asset_id, lambda start_us: start_us > far_us)
        return told

    def _drop(self, asset: Asset[W], starts: list[int]) -> None:
        timing = self._timing
        for start_us in starts:
            del asset.windows[start_us]
        windows = asset.windows.values()
        asset.first_offset = min((window.first_offset for window in windows), default=asset.watermark_offset)
        asset.first_offset = min(asset.first_offset, asset.watermark_offset)
        asset.due_us = min(
            (w.start_us + timing.size_us + (timing.delay_us if w.is_changed else timing.retention_us) for w in windows),
            default=NEVER,
        )

    def _forget_standing(self, asset_id: str, is_over: Callable[[int], bool]) -> None:
        standing = self._standing.get(asset_id)
        if standing is None:
            return
        covered = self._offset + 1
        for start_us in [start_us for start_us in standing if is_over(start_us)]:
            later = tuple(one for one in standing.pop(start_us) if one.next_offset > covered)
            if later:
                standing[start_us] = later
        if not standing:
            del self._standing[asset_id]

    def _forget_silent(self, offset: int) -> Iterator[AggregateBatch]:
        timing = self._timing
        reach_us = timing.ahead_us + timing.size_us + timing.retention_us
        silent = []
        for asset in self._assets.values():
            passed = offset - asset.last_offset
            if passed < timing.silent_records:
                break
            latest_us = self._latest.since(asset.last_offset) or 0
            was_ahead = latest_us < asset.watermark_us - reach_us and passed >= timing.silent_records * SILENT_FACTOR
            if latest_us > asset.watermark_us + reach_us or was_ahead:
                silent.append(asset)
        for asset in silent:
            yield from self._tell(asset, NEVER)
            del self._assets[asset.asset_id]
            self._forget_standing(asset.asset_id, lambda _: True)
