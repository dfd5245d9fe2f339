"""kafka-python's errors as the four errors of this product."""

from kafka import errors

from streamforge.bus.connection import Connection
from streamforge.errors import Fatal, NotConnected, Rejected, StreamForgeError

_REFUSED = (errors.TopicAuthorizationFailedError, errors.ClusterAuthorizationFailedError)
_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


def refused(connection: Connection, topic: str) -> Fatal:
    """A topic that is not there looks, to a client, like one that it may not use."""
    text = f"Kafka user '{connection.username}' may not use topic '{topic}', or there is no such topic"
    return Fatal(f"{text}: `streamforge topics` makes topics and rights")


def is_refused(error: BaseException) -> bool:
    """Whether rights are missing, which no other request would change."""
    return isinstance(error, _REFUSED)


def translate(error: BaseException, connection: Connection, topic: str = "") -> StreamForgeError:
    """What a failed call to the broker means for the one who must act; returned, to be raised `from error`."""
    if isinstance(error, _REFUSED):
        return refused(connection, topic)
    if isinstance(error, _TOO_LARGE):
        return Rejected((0,), f"the record is larger than the broker takes: {error}")
    return NotConnected(f"the broker at {connection.bootstrap} is away: {error or type(error).__name__}")
