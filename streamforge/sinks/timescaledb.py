"""TimescaleDB as a target: hypertables with chunks of a day; native partitions where the extension is not there."""

from streamforge.sinks.relational import RelationalSink
from streamforge.sinks.storage import Connection, has_timescaledb


class TimescaleDbSink(RelationalSink):
    """Kind `timescaledb`. Uses what the Apache edition has too: no compression, no continuous aggregates."""

    kind = "timescaledb"

    def wants_hypertables(self, connection: Connection) -> bool:
        """Where the extension is, or may be made."""
        return has_timescaledb(connection)
