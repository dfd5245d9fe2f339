"""What is wrong with a table can often be said of one key in it, or of one row below it."""

from collections.abc import Iterator
from contextlib import contextmanager


class KeyedError(ValueError):
    """A value that has its type and makes no sense; `place` leads from the table to it: keys, and numbers of rows."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


@contextmanager
def of_key(*place: str | int) -> Iterator[None]:
    """Every ValueError within is of this key."""
    try:
        yield
    except ValueError as error:
        inner = error.place if isinstance(error, KeyedError) else ()
        raise KeyedError(str(error), *place, *inner) from error
