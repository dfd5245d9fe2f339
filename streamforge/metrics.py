"""The same metrics for every component, in Prometheus' text form; a contract test asserts them for each."""

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
ByLabels = Mapping[Labels, float]
Values = Callable[[], ByLabels]
Family = GaugeMetricFamily | CounterMetricFamily


class _Computed(Collector):
    """A gauge whose value is asked for when it is scraped."""

    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> list[Metric]:
        return [GaugeMetricFamily(self._name, self._text, value=self._value())]


class _ComputedByLabels(Collector):
    """Figures of one name, with their labels asked for when they are scraped."""

    def __init__(self, family: type[Family], name: str, text: str, labels: Labels, values: Values) -> None:
        self._family = family
        self._name, self._text, self._labels, self._values = name, text, labels, values

    def collect(self) -> list[Metric]:
        family = self._family(self._name, self._text, labels=self._labels)
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        return [family]


class Metrics:
    """The counters of one process. Counting a batch is one call: `records_in.inc(len(batch))`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records_in = self.counter("records_in_total", "Readings taken in")
        self.records_out = self.counter("records_out_total", "Readings handed on and acknowledged")
        self.dropped = self.counter("records_dropped_total", "Readings not handed on", "intentional")
        self.errors = self.counter("errors_total", "Errors by where and what", "stage", "type")
        self.connected = Gauge("streamforge_connected", "1 while every peer answers", registry=self.registry)
        self.last_success = Gauge(
            "streamforge_last_success_timestamp_seconds", "When work was last done", registry=self.registry
        )
        self.dropped.labels(intentional="true").inc(0)
        self.dropped.labels(intentional="false").inc(0)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Something counted, by labels; `name` without the product's prefix."""
        return Counter(f"streamforge_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        """A distribution; `name` without the product's prefix."""
        return Histogram(f"streamforge_{name}", text, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """One more figure, computed at each scrape; `name` without the product's prefix."""
        self.registry.register(_Computed(f"streamforge_{name}", text, value))

    def gauges(self, name: str, text: str, labels: Labels, values: Values) -> None:
        """Figures by labels, computed at each scrape; `name` without the product's prefix."""
        self.registry.register(_ComputedByLabels(GaugeMetricFamily, f"streamforge_{name}", text, labels, values))

    def counters(self, name: str, text: str, labels: Labels, values: Values) -> None:
        """The same of what only grows."""
        self.registry.register(_ComputedByLabels(CounterMetricFamily, f"streamforge_{name}", text, labels, values))

    def succeeded(self) -> None:
        """Work was done just now."""
        self.last_success.set(time.time())

    def text(self) -> bytes:
        """All of it in Prometheus' text exposition format."""
        return generate_latest(self.registry)
