"""The measure of a serial line: it reads for real, and says no more than the line bears."""

import pytest

from streamforge.bench.serial_line import measure


@pytest.mark.parametrize(("baud_rate", "registers"), [(19_200, 1), (115_200, 125)])
def test_a_line_is_measured(baud_rate: int, registers: int) -> None:
    figures = measure(baud_rate, registers, 0.3)
    assert 0.05 < figures.busy_share < 1.02
    assert figures.requests_per_second > 1
    assert figures.cpu_us_per_request > 0
