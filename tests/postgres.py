"""A real PostgreSQL 17 with TimescaleDB for tests: unpacked once into .cache, one server in a temporary directory.

The server runs as an unprivileged user in a chroot of its own mount namespace, on a loopback port; stopping it leaves
nothing behind. Needs root (chroot, mount), as the appliance tests do.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg

from tests.unpacked import REPOSITORY, unpacked

ROOT = REPOSITORY / ".cache" / "peers" / "postgresql"
PASSWORD = "secret"
USER_ID = 65534
START = """
set -e
mount --bind "$2" "$1/srv"
mount --rbind /dev "$1/dev"
root=$1; shift 2
exec env -i HOME=/srv TZ=UTC LC_ALL=C.UTF-8 PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/bin \
  chroot --userspec=65534:65534 "$root" "$@"
"""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "32MB",
    "max_connections": "20",
    "fsync": "off",
    "jit": "off",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "log_timezone": "UTC",
}


class Postgres:
    """One server: start, stop, and connections to it. `port` stays the same over restarts.

    It listens on loopback, and on `address` where one is given, for everybody who knows a password.
    """

    def __init__(self, directory: Path, address: str = "") -> None:
        self.directory = directory
        self.address = address
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        """An empty cluster whose `postgres` user has the password `PASSWORD` (1 s)."""
        unpacked("postgresql", ROOT)
        self.directory.mkdir(parents=True, exist_ok=True)
        password = self.directory / "password"
        password.write_text(PASSWORD)
        for path in (self.directory, password):
            os.chown(path, USER_ID, USER_ID)
        options = ["--auth=scram-sha-256", "--locale=C.UTF-8", "-E", "UTF8", "-N", "--pwfile=/srv/password"]
        command = ["initdb", "-D", "/srv/data", "-U", "postgres", *options]
        subprocess.run(self._inside(command), check=True, stdout=subprocess.DEVNULL)
        if self.address:
            with (self.directory / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all scram-sha-256\n")

    def start(self) -> None:
        """Run the server and wait until it answers."""
        settings = {**SETTINGS, "port": str(self.port)}
        if self.address:
            settings["listen_addresses"] += f",{self.address}"
        command = [
            "postgres",
            "-D",
            "/srv/data",
            *(word for item in settings.items() for word in ("-c", "=".join(item))),
        ]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self._inside(command), stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Fast shutdown: connections are cut, data is written. May be called when it is stopped."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def destroy(self) -> None:
        """Stop, and remove the data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of the superuser that commits by itself."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname=database,
            connect_timeout=5, autocommit=True,
        )  # fmt: skip

    def rows(self, database: str, query: str) -> list[tuple[object, ...]]:
        """What a query answers."""
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, each by itself."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @staticmethod
    def signal(process_id: int, number: signal.Signals) -> None:
        """Send a signal to one of the server's own processes."""
        os.kill(process_id, number)

    def _inside(self, command: list[str]) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", START, "sh", str(ROOT), str(self.directory), *command]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
