"""What a failed call to the broker means for the one who must act."""

import pytest
from kafka import errors

from streamforge.bus.connection import Connection
from streamforge.bus.failures import translate
from streamforge.errors import NotConnected

CONNECTION = Connection(bootstrap="127.0.0.1:1", username="x", password="x", client_id="x")


@pytest.mark.parametrize(
    "error",
    [
        errors.OutOfOrderSequenceNumberError,
        errors.UnknownProducerIdError,
        errors.InvalidProducerEpochError,
        errors.KafkaTimeoutError,
    ],
)
def test_a_producer_that_the_broker_does_not_follow_any_more_is_let_go_and_made_anew(
    error: type[errors.KafkaError],
) -> None:
    assert isinstance(translate(error(), CONNECTION, "telemetry.raw"), NotConnected)
