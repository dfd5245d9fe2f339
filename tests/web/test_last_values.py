"""Last values and traces: bounded, in the order of the adapter."""

from streamforge.model import Quality
from streamforge.web.last_values import MOST_PARAMETERS, TRACE_POINTS, LastValues, Trace
from tests.web import peers

SECOND = 1_000_000
START = 1_790_000_000_000_000


def test_the_last_value_stands_with_unit_quality_and_time() -> None:
    values = LastValues()
    values.take(peers.batch("packaging-line", 1, START), seen_us=START)
    values.take(peers.batch("packaging-line", 2, START + SECOND), seen_us=START + SECOND)
    found = {last.parameter: last for last in values.of("packaging-line")}
    assert list(found) == ["film_tension", "good_count", "oee", "reject_count", "speed", "state"]
    assert found["state"].value == "STARVED"
    assert found["good_count"].value == 182204
    assert (found["film_tension"].quality, found["film_tension"].reason) == (Quality.SUSPECT, "stands still")
    assert found["speed"].time_us == START + SECOND


def test_the_rate_is_of_the_last_ten_seconds() -> None:
    values = LastValues()
    for second in range(30):
        values.take(peers.batch("boiler-1", second, START), seen_us=START + second * SECOND)
    assert values.readings_per_second(START + 29 * SECOND) == 6 * 11 / 10
    assert values.readings_per_second(START + 60 * SECOND) == 0


def test_a_trace_spans_everything_and_stays_small() -> None:
    trace = Trace()
    for second in range(1800):
        trace.add(float(second), START + second * SECOND)
    assert len(trace.points) <= TRACE_POINTS
    assert trace.points[0] < 120
    assert trace.points[-1] > 1700
    assert 900 <= trace.span_seconds <= 1900


def test_a_long_trace_forgets_what_is_older_than_an_hour() -> None:
    trace = Trace()
    for minute in range(300):
        trace.add(float(minute), START + minute * 60 * SECOND)
    assert len(trace.points) < TRACE_POINTS
    assert trace.points[-1] == 299
    assert trace.points[0] > 200


def test_what_is_no_number_is_not_traced() -> None:
    trace = Trace()
    trace.add(float("nan"), START)
    trace.add(float("inf"), START)
    assert not trace.points


def test_parameters_are_bounded() -> None:
    values = LastValues()
    for number in range(MOST_PARAMETERS):
        values._values["filler", str(number)] = values._values.get(("filler", "0"))  # type: ignore[assignment]
    values.take(peers.batch("boiler-1", 1, START), seen_us=START)
    assert not values.of("boiler-1")


def test_a_clock_that_was_set_back_neither_keeps_the_rate_nor_stops_the_trace() -> None:
    values, trace = LastValues(), Trace()
    for second in (0, 1, -86_400, -86_399):
        values.take(peers.batch("boiler-1", 0, START), seen_us=START + second * SECOND)
        trace.add(float(second), START + second * SECOND)
    assert values.readings_per_second(START - 86_399 * SECOND) == 6 * 2 / 10
    assert list(trace.points) == [0.0, 1.0, -86_400.0, -86_399.0]
