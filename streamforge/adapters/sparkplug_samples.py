"""From one Sparkplug metric to one reading: time, quality, null, and the tag rows that name it. Pure."""

from collections.abc import Iterable

from streamforge.adapters.mqtt_readings import Sample
from streamforge.adapters.mqtt_tags import NO_DEVICE_TIME, NOT_A_NUMBER, NULL, Stamp, Tag
from streamforge.adapters.sparkplug_nodes import Known
from streamforge.adapters.sparkplug_values import Mismatch, inferred, kind_of, value_of
from streamforge.adapters.sparkplug_wire import Metric
from streamforge.adapters.tags import TagRow
from streamforge.model import Quality

TYPE_MISMATCH = "type_mismatch"
STALE, SOURCE_UNCERTAIN, SOURCE_BAD = "stale", "source_uncertain", "source_bad"


class Samples:
    """Makes the readings of one instance; `tags` name metrics by `param`."""

    def __init__(self, tags: Iterable[TagRow]) -> None:
        self._tags = {tag.param: Tag(tag) for tag in tags}

    def of(self, asset_id: str, known: Known, metric: Metric, time_ms: int) -> Sample:
        """The reading of a metric of which this is known. Raises Mismatch, or Unreadable."""
        stamp = _stamp(metric, time_ms)
        unit = metric.unit or known.unit
        if metric.is_null or not metric.field:
            return _bad(asset_id, known, unit, NULL, stamp)
        datatype = metric.datatype or known.datatype or inferred(metric.field)
        value = value_of(datatype, metric.field, metric.raw)
        if value is None:
            return _bad(asset_id, known, unit, NOT_A_NUMBER, stamp)
        tag = self._tags.get(known.name)
        if tag is not None:
            sample = tag.sample(asset_id, value, stamp)
            return sample if sample.unit else sample._replace(unit=unit)
        kind = kind_of(datatype)
        return Sample(asset_id, known.name, value, unit, kind, stamp.quality, stamp.reason, stamp.time_us)

    def by_itself(self, asset_id: str, metric: Metric, time_ms: int) -> Sample:
        """Of a metric that says its name itself."""
        known = Known(metric.name, metric.datatype or inferred(metric.field), metric.unit)
        try:
            return self.of(asset_id, known, metric, time_ms)
        except Mismatch:
            return _bad(asset_id, known, metric.unit, TYPE_MISMATCH, _stamp(metric, time_ms))


def named(metric: Metric) -> Known:
    """A metric that says its own name needs no birth. Raises Mismatch for one that has an alias alone."""
    if not metric.name:
        raise Mismatch
    return Known(metric.name, metric.datatype or inferred(metric.field))


def _stamp(metric: Metric, time_ms: int) -> Stamp:
    """Its own time, else the message's; and what the source says of its quality (192, 500, 0, as in Ignition)."""
    time_us = (metric.time_ms or time_ms) * 1000
    if metric.quality < 0 or (metric.quality >= 192 and metric.quality != 500):
        return Stamp(time_us) if time_us else Stamp(0, Quality.UNCERTAIN, NO_DEVICE_TIME)
    if metric.quality == 500:
        return Stamp(time_us, Quality.UNCERTAIN, STALE)
    if metric.quality >= 64:
        return Stamp(time_us, Quality.UNCERTAIN, SOURCE_UNCERTAIN)
    return Stamp(time_us, Quality.BAD, SOURCE_BAD)


def _bad(asset_id: str, known: Known, unit: str, reason: str, stamp: Stamp) -> Sample:
    kind = kind_of(known.datatype)
    return Sample(asset_id, known.name, None, unit, kind, Quality.BAD, reason, stamp.time_us)
