"""Where a chain delivers, and what stands there: files of the gateway, files elsewhere, a customer's database."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chain import checker
from tests.faults.gateway import DATABASE, FILE, Gateway
from tests.faults.whole import Readings
from tests.postgres import PASSWORD, Postgres

ELSEWHERE = "streamforge-sink-file@elsewhere"
AGE = "[batch]\nage_ms = 200\n"
QUERY = "SELECT adapter_id, epoch, seq, index, count(*) FROM streamforge.readings GROUP BY 1, 2, 3, 4"
Targets = dict[str, Callable[[], Readings]]


def own_files(gateway: Gateway) -> Targets:
    """A file sink whose files lie with its state."""
    gateway.write("sinks/file/out.toml", AGE)
    gateway.sinks.append(FILE)
    return {FILE: lambda: checker.in_export(gateway.directory / "state" / FILE)}


def files_elsewhere(gateway: Gateway, folder: Path) -> Targets:
    """A file sink whose files lie on another disk."""
    gateway.write("sinks/file/elsewhere.toml", f'directory = "{folder}"\n{AGE}')
    gateway.sinks.append(ELSEWHERE)
    return {ELSEWHERE: lambda: checker.in_export(folder)}


@contextmanager
def database(directory: Path) -> Iterator[Postgres]:
    """The customer's server, outside of the gateway."""
    server = Postgres(directory)
    server.initialise()
    server.start()
    try:
        yield server
    finally:
        server.destroy()


def rows(gateway: Gateway, server: Postgres, name: str) -> Targets:
    """A PostgreSQL sink, in a database of its own that is made anew."""
    server.execute("postgres", f"CREATE DATABASE {name}")
    where = f'host = "127.0.0.1"\nport = {server.port}\ndatabase = "{name}"\nuser = "postgres"\n'
    gateway.write("sinks/postgres/customer.toml", f'{where}password = "{PASSWORD}"\n{AGE}')
    gateway.sinks.append(DATABASE)
    return {DATABASE: lambda: _count(server, name)}


def _count(server: Postgres, name: str) -> Readings:
    counted: Readings = Counter()
    for adapter, epoch, seq, index, times in server.rows(name, QUERY):
        counted[str(adapter), int(str(epoch)), int(str(seq)), int(str(index))] = int(str(times))
    return counted
