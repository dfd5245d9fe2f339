"""What the metrics say of each device."""

import pytest

from streamforge.adapters.device_metrics import register
from streamforge.adapters.device_record import DeviceRecord, kind_of
from streamforge.metrics import Metrics


def test_each_device_has_its_requests_errors_latency_and_last_success() -> None:
    metrics, records = Metrics(), {"pump": DeviceRecord()}
    register(metrics, records)
    pump = records["pump"]
    pump.took(0.25)
    pump.answered(1_790_000_000_000_000)
    pump.took(0.5)
    pump.failed("timeout")
    pump.took(1.0)
    pump.failed("plc:502: Connection refused")
    records["tank"] = DeviceRecord()  # one that turned up later
    lines = metrics.text().decode().splitlines()
    assert [line for line in lines if line.startswith("streamforge_device") and "tank" not in line] == [
        'streamforge_device_requests_total{device="pump"} 3.0',
        'streamforge_device_errors_total{device="pump",kind="timeout"} 1.0',
        'streamforge_device_errors_total{device="pump",kind="connection"} 1.0',
        'streamforge_device_request_seconds_total{device="pump"} 1.75',
        'streamforge_device_latency_seconds{device="pump"} 1.0',
        'streamforge_device_last_success_timestamp_seconds{device="pump"} 1.79e+09',
    ]
    assert 'streamforge_device_requests_total{device="tank"} 0.0' in lines


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("timeout", "timeout"),
        ("config_error: illegal data address (exception 2)", "config_error"),
        ("no_signal", "no_signal"),
        ("BadOutOfService", "BadOutOfService"),
        ("10.0.0.1:502: Connection refused", "connection"),
        ("Connection reset by peer", "connection"),
        ("", "connection"),
    ],
)
def test_the_kind_of_an_error_is_the_first_word_of_its_reason(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind
