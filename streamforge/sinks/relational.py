"""What the sinks of PostgreSQL and TimescaleDB have in common: rows and progress in one transaction.

A lost answer to COMMIT is harmless: connect reads the progress again, and rows are unique by what names them.
"""

import contextlib
import os
import socket
import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

import psycopg

from streamforge.config import Bounds
from streamforge.errors import NotConnected, Rejected
from streamforge.progress import Progress, Stored
from streamforge.sinks.base import Sink, SinkConfig
from streamforge.sinks.database_errors import at_connect, at_setup, one_line
from streamforge.sinks.repeats import fresh, in_batch
from streamforge.sinks.rows import rows
from streamforge.sinks.storage import Connection, Storage
from streamforge.sinks.tables import BY_TOPIC, Table

_SPARE_SECONDS = 0.5


class SslMode(StrEnum):
    """libpq's own words."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationalConfig(SinkConfig):
    """Keys of `sinks/postgres/<instance>.toml` and `sinks/timescaledb/<instance>.toml`."""

    host: str
    port: Annotated[int, Bounds(1, 65_535)] = 5432
    database: str
    user: str
    password: str = field(default="", repr=False)
    sslmode: SslMode = SslMode.PREFER
    sslrootcert: str = ""
    schema: Annotated[str, Bounds(1, 63)] = "streamforge"
    table_prefix: Annotated[str, Bounds(0, 20)] = ""
    connect_timeout_ms: Annotated[int, Bounds(2_000, 10_000)] = 5_000
    statement_timeout_ms: Annotated[int, Bounds(500, 10_000)] = 5_000


class RelationalSink(Sink[RelationalConfig]):
    """Abstract: a kind says whether its time tables are hypertables."""

    Config = RelationalConfig
    kind: ClassVar[str]

    def __init__(self, config: RelationalConfig, instance: str) -> None:
        super().__init__(config, instance)
        self.address = f"{config.host}:{config.port}/{config.database}"
        self.file = f"sinks/{self.kind}/{instance}.toml"
        self.sink = f"{instance}@{socket.gethostname()}"
        self.tables = {table.name: table for table in (BY_TOPIC[topic] for topic in config.topics)}
        self._storage = Storage(config.schema, config.table_prefix)
        self._connection: Connection | None = None
        self._progress = Progress()
        self._has_worked = False

    @abstractmethod
    def wants_hypertables(self, connection: Connection) -> bool:
        """Whether time tables that are made now become hypertables."""

    def connect(self) -> Progress:
        """Log in, make what is missing, answer the stored progress.

        Raises ConfigError where the server refuses what the configuration says. Once it has worked, the same refusal is
        NotConnected: then something changed at the server, and its administrator mends it without touching the gateway.
        """
        self.close()
        try:
            self._connection = connection = self._log_in()
            with self._bounded(connection):
                self._storage.bound(connection, self.config.statement_timeout_ms)
                hypertables = self.wants_hypertables(connection)
                self._storage.set_up(connection, tuple(self.tables.values()), hypertables=hypertables)
                self._progress = self._storage.progress(connection, self.sink)
        except psycopg.Error as error:
            meaning = at_connect(error, self) if self._connection is None else at_setup(error, self)
            self.close()
            raise (NotConnected(str(meaning)) if self._has_worked else meaning) from error
        self._has_worked = True
        return self._progress

    def write(self, batch: Sequence[Stored], progress: Progress) -> None:
        """One transaction. Raises NotConnected (whether it was committed, connect will tell), Rejected."""
        connection = self._connection
        if connection is None:
            msg = f"{self.address}: not connected"
            raise NotConnected(msg)
        new = fresh(batch, self._progress, progress)
        try:
            with self._bounded(connection):
                self._transact(connection, new, progress)
        except Rejected as error:
            raise in_batch(error, new, batch) from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._reject(connection, batch, error)
        except psycopg.Error as error:
            self.close()
            raise self._away(error) from error
        self._progress = progress

    def close(self) -> None:
        """Let go of the server; what is not committed is gone there."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _log_in(self) -> Connection:
        config = self.config
        return psycopg.connect(
            host=config.host, port=config.port, dbname=config.database, user=config.user, password=config.password,
            sslmode=config.sslmode.value, sslrootcert=config.sslrootcert or None, autocommit=True, prepare_threshold=3,
            connect_timeout=config.connect_timeout_ms // 1000, tcp_user_timeout=config.statement_timeout_ms,
            application_name=f"streamforge {self.sink}", client_encoding="UTF8",
        )  # fmt: skip

    def _transact(self, connection: Connection, batch: Sequence[Stored], progress: Progress | None) -> None:
        """Store all; without a progress it is a trial that is rolled back."""
        by_table = rows(batch)
        for name, of_table in by_table.items():
            self._storage.make_days(connection, self._table(name), of_table)
        with connection.transaction(force_rollback=progress is None):
            self._storage.lock(connection, self.sink)
            for name, of_table in by_table.items():
                self._storage.store(connection, self._table(name), of_table)
            if progress is not None:
                self._storage.store_progress(connection, self.sink, progress)

    def _table(self, name: str) -> Table:
        return self.tables[name]

    def _reject(self, connection: Connection, batch: Sequence[Stored], cause: psycopg.Error) -> None:
        """Find the records that the database refuses, by halves; where none does alone, try again from connect."""
        self._storage.forget_days()  # a dropped partition looks the same
        try:
            with self._bounded(connection):
                refused = self._refused(connection, batch, 0)
        except psycopg.Error as error:
            self.close()
            raise self._away(error) from error
        if refused:
            raise Rejected(refused, one_line(cause)) from cause
        self.close()
        raise self._away(cause) from cause

    def _refused(self, connection: Connection, batch: Sequence[Stored], first: int) -> list[int]:
        try:
            self._transact(connection, batch, None)
        except (psycopg.DataError, psycopg.IntegrityError):
            if len(batch) == 1:
                return [first]
        else:
            return []
        middle = len(batch) // 2
        left = self._refused(connection, batch[:middle], first)
        return left + self._refused(connection, batch[middle:], first + middle)

    def _away(self, error: psycopg.Error) -> NotConnected:
        return NotConnected(f"{self.address}: {one_line(error)}")

    @contextlib.contextmanager
    def _bounded(self, connection: Connection) -> Iterator[None]:
        """A server that accepts but never answers must not hold the step: the socket is cut."""
        timer = threading.Timer(self.config.statement_timeout_ms / 1000 + _SPARE_SECONDS, _cut, (connection,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as one:
        one.shutdown(socket.SHUT_RDWR)
