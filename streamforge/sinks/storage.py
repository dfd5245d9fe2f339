"""Tables, partitions and rows inside one PostgreSQL transaction or connection; knows SQL, no life cycle."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from streamforge.progress import Progress
from streamforge.sinks.rows import Rows
from streamforge.sinks.tables import Table

Connection = psycopg.Connection[tuple[object, ...]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DDL_LOCK = 5_722_846_001


def _sql(text: str, **parts: sql.Composable) -> sql.Composed:
    """SQL of our own words, names and lists put in."""
    return sql.SQL(text).format(**parts)


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


class Storage:
    """One schema with its tables. `partitioned` are those that are cut by day natively, as the database says."""

    def __init__(self, schema: str, prefix: str) -> None:
        self._schema = schema
        self._prefix = prefix
        self._partitioned: set[str] = set()
        self._days: set[tuple[str, int]] = set()

    @staticmethod
    def bound(connection: Connection, timeout_ms: int) -> None:
        """No statement of this connection takes longer, also when waiting for a lock."""
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        for name in names:
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(timeout_ms)))
        connection.execute("SET timezone = 'UTC'")

    def set_up(self, connection: Connection, tables: Iterable[Table], *, hypertables: bool) -> None:
        """Make what is missing: schema, tables, indices, and a staging table for this connection."""
        self._days.clear()
        self._partitioned.clear()
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_DDL_LOCK,))
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone():
                connection.execute(_sql("CREATE SCHEMA {schema}", schema=sql.Identifier(self._schema)))
            if not self._kind(connection, "streamforge_progress"):
                connection.execute(_sql(
                    "CREATE TABLE {table} (sink text PRIMARY KEY, progress jsonb NOT NULL,"
                    " updated timestamptz NOT NULL DEFAULT now())", table=self._name("streamforge_progress"),
                ))  # fmt: skip
            for table in tables:
                self._make(connection, table, hypertables=hypertables)
        for table in tables:
            self._make_staging(connection, table)

    def progress(self, connection: Connection, sink: str) -> Progress:
        """What this sink has stored; waits for a transaction of its own that is still under way."""
        with connection.transaction():
            self._lock(connection, sink)
            query = _sql("SELECT progress::text FROM {table} WHERE sink = %s", table=self._name("streamforge_progress"))
            row = connection.execute(query, (sink,)).fetchone()
        return Progress.from_json(str(row[0])) if row else Progress()

    def make_days(self, connection: Connection, table: Table, rows: Rows) -> None:
        """The partitions that these rows need, each in a transaction of its own so that readers are never blocked."""
        if table.name not in self._partitioned:
            return
        for day in sorted(rows.days):
            if (table.name, day) not in self._days:
                with connection.transaction():
                    self._make_day(connection, table, day)
                self._days.add((table.name, day))

    def forget_days(self) -> None:
        """Look again for partitions: somebody may have dropped one."""
        self._days.clear()

    def store(self, connection: Connection, table: Table, rows: Rows) -> None:
        """COPY into staging, then insert what is new, within the caller's transaction."""
        staging = sql.Identifier(f"staging_{table.name}")
        columns = _names(table.names)
        with connection.cursor() as cursor:
            with cursor.copy(_sql("COPY {staging} ({columns}) FROM STDIN", staging=staging, columns=columns)) as copy:
                copy.write(rows.text())
            cursor.execute(self._insert(table, staging, columns))

    def store_progress(self, connection: Connection, sink: str, progress: Progress) -> None:
        """The progress of this sink, within the caller's transaction."""
        connection.execute(
            _sql(
                "INSERT INTO {table} AS stood (sink, progress) VALUES (%s, %s::jsonb)"
                " ON CONFLICT (sink) DO UPDATE SET progress = excluded.progress, updated = now()",
                table=self._name("streamforge_progress"),
            ),
            (sink, progress.to_json()),
        )

    def lock(self, connection: Connection, sink: str) -> None:
        """One writer a sink: an earlier transaction whose answer was lost ends first."""
        self._lock(connection, sink)

    def _lock(self, connection: Connection, sink: str) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"streamforge {sink}",))

    def _insert(self, table: Table, staging: sql.Identifier, columns: sql.Composed) -> sql.Composed:
        values = sql.SQL(", ").join(
            _sql("NULLIF({n}, 'NaN')", n=sql.Identifier(name)) if name == "value" else sql.Identifier(name)
            for name in table.names
        )
        text = "INSERT INTO {table} AS stood ({columns}) SELECT {values} FROM {staging} ON CONFLICT ({key}) DO "
        if table.newer:
            text += "UPDATE SET ({columns}) = ROW ({new}) WHERE " + table.newer
        else:
            text += "NOTHING"
        new = sql.SQL(", ").join(_sql("excluded.{n}", n=sql.Identifier(name)) for name in table.names)
        return _sql(
            text, table=self._name(table.name), columns=columns, values=values, staging=staging,
            key=_names(table.key), new=new,
        )  # fmt: skip

    def _name(self, name: str) -> sql.Identifier:
        return sql.Identifier(self._schema, self._prefix + name)

    def _kind(self, connection: Connection, name: str) -> str:
        """`r` a table, `p` a partitioned one, empty where there is none."""
        row = connection.execute(
            "SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            (self._schema, self._prefix + name),
        ).fetchone()
        return str(row[0]) if row else ""

    def _make(self, connection: Connection, table: Table, *, hypertables: bool) -> None:
        if not self._kind(connection, table.name):
            cut = " PARTITION BY RANGE ({time})" if table.time and not hypertables else ""
            connection.execute(_sql(
                "CREATE TABLE {table} ({columns}, UNIQUE ({key}))" + cut,
                table=self._name(table.name), columns=_definitions(table), key=_names(table.key),
                time=sql.Identifier(table.time),
            ))  # fmt: skip
            if table.time and hypertables:
                _make_hypertable(connection, self._name(table.name).as_string(connection), table.time)
            if table.index:
                index = _sql(
                    "CREATE INDEX ON {table} ({columns})", table=self._name(table.name), columns=_names(table.index)
                )
                connection.execute(index)
        if self._kind(connection, table.name) == "p":
            self._partitioned.add(table.name)

    def _make_staging(self, connection: Connection, table: Table) -> None:
        connection.execute(_sql(
            "CREATE TEMP TABLE {staging} ({columns}) ON COMMIT DELETE ROWS",
            staging=sql.Identifier(f"staging_{table.name}"), columns=_definitions(table),
        ))  # fmt: skip

    def _make_day(self, connection: Connection, table: Table, day: int) -> None:
        """Made beside the table and attached: that lock lets readers and writers go on, PARTITION OF does not."""
        start = _EPOCH + timedelta(days=day)
        name = f"{table.name}_{start:%Y%m%d}"
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_DDL_LOCK,))
        if self._kind(connection, name):
            return
        whole, part = self._name(table.name), self._name(name)
        connection.execute(_sql("CREATE TABLE {part} (LIKE {whole} INCLUDING ALL)", part=part, whole=whole))
        connection.execute(_sql(
            "ALTER TABLE {whole} ATTACH PARTITION {part} FOR VALUES FROM ({start}) TO ({end})",
            whole=whole, part=part, start=sql.Literal(start), end=sql.Literal(start + timedelta(days=1)),
        ))  # fmt: skip


def has_timescaledb(connection: Connection) -> bool:
    """Whether the database has the extension; made where the server has it and this user may."""
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone():
        return True
    if not connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone():
        return False
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported, psycopg.errors.ConfigFileError):
        return False
    return True


def _definitions(table: Table) -> sql.Composed:
    columns = (_sql("{name} " + kind, name=sql.Identifier(name)) for name, kind in table.columns)
    return sql.SQL(", ").join(columns)


def _make_hypertable(connection: Connection, table: str, time: str) -> None:
    """Chunks of a day. The extension may stand in any schema."""
    row = connection.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'timescaledb'"
    ).fetchone()
    schema = sql.Identifier(str(row[0]) if row else "public")
    connection.execute(
        _sql(
            "SELECT {schema}.create_hypertable(%s::regclass, {schema}.by_range(%s, INTERVAL '1 day'),"
            " create_default_indexes => false)",
            schema=schema,
        ),
        (table, time),
    )
