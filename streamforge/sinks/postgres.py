"""PostgreSQL as a target: plain tables, readings and aggregates cut into native partitions of a day."""

from streamforge.sinks.relational import RelationalSink
from streamforge.sinks.storage import Connection


class PostgresSink(RelationalSink):
    """Kind `postgres`."""

    kind = "postgres"

    def wants_hypertables(self, connection: Connection) -> bool:  # noqa: ARG002 - whatever the server has
        """Never."""
        return False
