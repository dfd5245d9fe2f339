"""Which readings become one batch, and for which messages it is done."""

from collections.abc import Sequence
from dataclasses import replace

from streamforge.adapters.base import silence
from streamforge.adapters.mqtt_acks import Ticket
from streamforge.adapters.mqtt_gather import MOST_BYTES, MOST_READINGS, Gather
from streamforge.adapters.mqtt_readings import Sample
from streamforge.model import names


def ticket(payload: bytes = b"1") -> Ticket:
    return Ticket("t", payload, 1, 1)


def gathered(*messages: tuple[Ticket, Sequence[Sample]]) -> list[int]:
    """The number of readings of each batch."""
    gather = Gather(lambda _: None)
    for one, samples in messages:
        gather.add(samples, one)
    return [len(batch.values) for batch in gather.take()]


def test_readings_that_come_together_are_one_batch_in_which_each_parameter_stands_once() -> None:
    assert gathered((ticket(), [Sample("a", "x", 1.0)]), (ticket(), [Sample("a", "y", 1.0)])) == [2]
    assert gathered((ticket(), [Sample("a", "x", 1.0)]), (ticket(), [Sample("a", "x", 2.0)])) == [1, 1]
    many = [Sample("a", f"p{number}", 1.0) for number in range(MOST_READINGS + 1)]
    assert gathered((ticket(), many)) == [MOST_READINGS, 1]


def test_long_texts_that_fit_the_log_each_alone_do_not_become_one_that_does_not() -> None:
    half = b"x" * (MOST_BYTES // 2)
    texts = [(ticket(half), [Sample("a", name, half.decode())]) for name in ("x", "y", "z")]
    assert gathered(*texts) == [2, 1]
    whole = ticket(b"x" * (MOST_BYTES + 1))
    assert gathered((whole, [Sample("a", "x", "1"), Sample("a", "y", "2")])) == [2], "one message is not divided"


def test_a_batch_that_is_whole_is_done_for_its_message_and_for_whoever_made_it() -> None:
    told: list[str] = []
    gather = Gather(lambda _: told.append("message"))
    batch = replace(silence("a", names(("x",), ("",), b"\x00"), "why"), done=lambda: told.append("own"))
    gather.put(batch, ticket())
    gather.take()[0].done()
    assert told == ["own", "message"]
