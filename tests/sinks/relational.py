"""What the tests of both databases share: the cases, and the rows that stand in the table."""

from collections.abc import Callable

from streamforge.sinks.relational import RelationalSink
from tests.postgres import Postgres

Make = Callable[..., RelationalSink]
"""A sink of the test's own database; keyword arguments replace keys of its configuration."""


def seqs(server: Postgres, database: str) -> list[tuple[object, ...]]:
    """Every reading's seq, index and value, in order."""
    return server.rows(database, 'SELECT seq, index, value FROM streamforge.readings ORDER BY seq, "index"')


def expected(count: int) -> list[tuple[object, ...]]:
    """The rows of `scans(0, count)`."""
    return [(seq, index, seq + index / 1000) for seq in range(count) for index in range(2)]
