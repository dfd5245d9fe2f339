"""What was evicted, counted: for metrics, health and the journal."""

from streamforge.gateway.overflow.order import Done
from streamforge.logs import Log
from streamforge.metrics import Metrics

_log = Log("overflow")


class Tally:
    """Since this process began: `evicted` records by topic, and `lost`, how many of them some reader still needed."""

    def __init__(self, metrics: Metrics) -> None:
        self.evicted: dict[str, int] = {}
        self.lost = 0
        self._metrics = metrics
        self._records = metrics.counter("evicted_records_total", "Records that gave way to others", "topic")
        self._bytes = metrics.counter("evicted_bytes_total", "Bytes that gave way to others", "topic")
        self._undelivered = metrics.counter(
            "evicted_undelivered_records_total", "Evicted records that some reader still needed", "topic"
        )

    def note(self, done: Done) -> None:
        """Count what one run of the helper process evicted, and say it."""
        for one in done.evicted:
            self._records.labels(topic=one.topic).inc(one.records)
            self._bytes.labels(topic=one.topic).inc(one.size_bytes)
            self._undelivered.labels(topic=one.topic).inc(one.lost)
            self.evicted[one.topic] = self.evicted.get(one.topic, 0) + one.records
            self.lost += one.lost
        if done.evicted:
            self._metrics.succeeded()
            records = {f"{one.topic}/{one.number}": one.records for one in done.evicted}
            _log.warning("evicted", reason=done.evicted[-1].tier, records=records, undelivered=self.lost)
