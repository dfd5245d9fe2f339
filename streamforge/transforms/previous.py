"""The memory of previous readings, for rates of change: bounded, and rebuilt exactly from the records it came from.

A previous reading serves while it is younger than `window_us` by gateway time, no record of any asset after it was
later than that, and at most `MOST_RECORDS` stand between. So what is remembered after offset n depends only on the
records from `holding()` to n, and a restart that replays them remembers the same.
"""

from collections import deque
from itertools import repeat
from operator import le, mul, sub
from typing import NamedTuple

from streamforge.model import ReadingBatch
from streamforge.transforms.latest import Latest
from streamforge.transforms.rules import Plan, number

MOST_RECORDS = 100_000
SEGMENTS = 16
SEGMENT_RECORDS = 1_000
MICROS = 1_000_000


class Place(NamedTuple):
    """Where and when a remembered reading was taken: its event time, its record's gateway time, its offset."""

    time_us: int
    gateway_us: int
    offset: int


class Asset:
    """What one asset said last: a whole column while its batches look alike, else parameter by parameter."""

    __slots__ = ("_column", "_plan", "place", "readings")

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._column: tuple[float, ...] = ()
        self.place = Place(0, 0, -1)
        self.readings: dict[str, tuple[float, Place]] = {}

    def column(self, plan: Plan) -> tuple[float, ...] | None:
        """The last rated column, where it was of this very plan."""
        return self._column if self._plan is plan else None

    def keep_column(self, plan: Plan, column: tuple[float, ...], place: Place) -> None:
        """Remember one whole column taken at one time."""
        self._plan, self._column, self.place = plan, column, place

    def spread(self) -> dict[str, tuple[float, Place]]:
        """Parameter by parameter from here on: (value, place) of each."""
        if self._plan is not None:
            self.readings.update(zip(self._plan.rated_names, zip(self._column, repeat(self.place)), strict=True))
            self._plan = None
        return self.readings


class Previous:
    """Previous readings of all assets of one partition; told every record by `advance`, judges rates by `judge`."""

    def __init__(self, window_us: int) -> None:
        self._window_us = window_us
        self._assets: dict[str, Asset] = {}
        self._latest = Latest(MOST_RECORDS)
        self._segments: deque[list[int]] = deque()  # first offset, first and greatest gateway time, last offset
        self._swept_at = 0

    def holding(self) -> int | None:
        """The oldest offset whose readings may still serve (or a little older); None = none."""
        return self._segments[0][0] if self._segments else None

    def advance(self, offset: int, gateway_us: int) -> None:
        """Take note of a record, before its readings are judged."""
        self._latest.note(offset, gateway_us)
        segments = self._segments
        while segments and (gateway_us > segments[0][2] + self._window_us or offset - segments[0][3] >= MOST_RECORDS):
            segments.popleft()
        if gateway_us > self._swept_at + self._window_us or gateway_us < self._swept_at - self._window_us:
            self._swept_at = gateway_us
            self._sweep()

    def judge(self, offset: int, batch: ReadingBatch, plan: Plan, rejected: dict[int, str]) -> dict[int, str]:
        """The rated readings that changed too fast, index -> reason; remembers all that were not rejected."""
        asset_id = batch.source.asset_id
        asset = self._assets.get(asset_id)
        if asset is None:
            asset = self._assets[asset_id] = Asset()
        self._hold(offset, batch.gateway_time_us)
        whole = plan.rated_once and len(batch.device_times_us) <= 1 and not rejected
        column = tuple(plan.rated_pick(batch.values)) if whole else ()
        place = Place(batch.device_time_us(0) or batch.gateway_time_us, batch.gateway_time_us, offset)
        if whole and self._steady(asset, plan, column, place):
            asset.keep_column(plan, column, place)
            return {}
        fast, remembered = self._one_by_one(asset, batch, plan, rejected, place)
        if whole and remembered == len(column):
            asset.keep_column(plan, column, place)
        return fast

    def _steady(self, asset: Asset, plan: Plan, column: tuple[float, ...], place: Place) -> bool:
        before = asset.column(plan)
        if before is None or place.time_us <= asset.place.time_us or not self._serves(asset.place, place):
            return False
        seconds = (place.time_us - asset.place.time_us) / MICROS
        allowed = map(mul, plan.rate_limits, repeat(seconds))
        return all(map(le, map(abs, map(sub, column, before)), allowed))

    def _one_by_one(
        self, asset: Asset, batch: ReadingBatch, plan: Plan, rejected: dict[int, str], record: Place
    ) -> tuple[dict[int, str], int]:
        readings = asset.spread()
        fast: dict[int, str] = {}
        remembered = 0
        for index, parameter, limit in zip(plan.rated, plan.rated_names, plan.rate_limits, strict=True):
            value = number(batch, index)
            if value is None or value != value or index in rejected:  # noqa: PLR0124 - NaN
                continue
            value = float(value)
            place = Place(batch.device_time_us(index) or record.gateway_us, record.gateway_us, record.offset)
            before = readings.get(parameter)
            if before is not None and place.time_us > before[1].time_us and self._serves(before[1], place):
                seconds = (place.time_us - before[1].time_us) / MICROS
                if abs(value - before[0]) > limit * seconds:
                    change = f"changed by {value - before[0]:g} in {seconds:g} s"
                    fast[index] = f"{change}, more than {limit:g} per second"
            readings[parameter] = (value, place)
            remembered += index not in batch.others
        return fast, remembered

    def _serves(self, before: Place, now: Place) -> bool:
        if abs(now.gateway_us - before.gateway_us) > self._window_us or now.offset - before.offset > MOST_RECORDS:
            return False
        latest_us = self._latest.since(before.offset)  # None: the same record, with one parameter twice
        return latest_us is None or latest_us <= before.gateway_us + self._window_us

    def _hold(self, offset: int, gateway_us: int) -> None:
        segments = self._segments
        last = segments[-1] if segments else None
        is_full = last is None or offset - last[0] >= SEGMENT_RECORDS
        if last is None or is_full or gateway_us >= last[1] + self._window_us // SEGMENTS:
            segments.append([offset, gateway_us, gateway_us, offset])
        else:
            last[2] = max(last[2], gateway_us)
            last[3] = offset

    def _sweep(self) -> None:
        held = self.holding()
        for asset_id, asset in list(self._assets.items()):
            readings = asset.spread()
            kept = {name: entry for name, entry in readings.items() if held is not None and entry[1].offset >= held}
            if kept:
                asset.readings = kept
            else:
                del self._assets[asset_id]
