"""Metrics by device: requests, errors by kind, how long they took, when the last one was good."""

from collections.abc import Mapping

from streamforge.adapters.device_record import DeviceRecord
from streamforge.metrics import Metrics

_DEVICE = ("device",)


def register(metrics: Metrics, records: Mapping[str, DeviceRecord]) -> None:
    """Have the records told at each scrape, by the key of the device; devices may still turn up."""
    metrics.counters(
        "device_requests_total", "Requests, or messages of a device that sends by itself", _DEVICE,
        lambda: {(key,): record.requests for key, record in records.items()},
    )  # fmt: skip
    metrics.counters(
        "device_errors_total", "Requests without a good reading, by kind", ("device", "kind"),
        lambda: {(key, kind): n for key, record in records.items() for kind, n in record.errors_by_kind.items()},
    )  # fmt: skip
    metrics.counters(
        "device_request_seconds_total", "How long the requests took together", _DEVICE,
        lambda: {(key,): record.request_seconds for key, record in records.items()},
    )  # fmt: skip
    metrics.gauges(
        "device_latency_seconds", "How long the last request took", _DEVICE,
        lambda: {(key,): record.latency_seconds for key, record in records.items()},
    )  # fmt: skip
    metrics.gauges(
        "device_last_success_timestamp_seconds", "When a reading was last good", _DEVICE,
        lambda: {(key,): record.last_success_us / 1e6 for key, record in records.items()},
    )  # fmt: skip
