"""The times that payloads carry: ISO 8601, or a count of seconds, milli-, micro- or nanoseconds since 1970."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import isfinite

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MOST_US = 253_402_300_800_000_000  # the year 10000: beyond it nothing downstream can show a date


class TimeFormat(StrEnum):
    """How a time is written."""

    ISO = "iso"
    UNIX_S = "unix_s"
    UNIX_MS = "unix_ms"
    UNIX_US = "unix_us"
    UNIX_NS = "unix_ns"


_MICROSECONDS = {TimeFormat.UNIX_S: 1_000_000, TimeFormat.UNIX_MS: 1_000, TimeFormat.UNIX_US: 1}


def time_us(value: object, form: TimeFormat) -> int:
    """Microseconds since 1970 UTC; an ISO time without an offset is taken as UTC.

    Raises ValueError where it is none, before 1970 or after 9999.
    """
    try:
        found = _iso(value) if form is TimeFormat.ISO else _count(value, form)
    except (ValueError, OverflowError, TypeError):
        found = 0
    if not 0 < found < MOST_US:
        msg = f"{str(value)[:40]!r} is no time as {form.value}"
        raise ValueError(msg)
    return found


def _iso(value: object) -> int:
    if not isinstance(value, str):
        return 0
    moment = datetime.fromisoformat(value.strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def _count(value: object, form: TimeFormat) -> int:
    if isinstance(value, str):
        value = float(value) if "." in value or "e" in value.lower() else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return 0
    if form is TimeFormat.UNIX_NS:
        return int(value) // 1_000
    factor = _MICROSECONDS[form]
    return value * factor if isinstance(value, int) else round(value * factor)
