"""How every client of ours reaches the broker, and how a wrong password becomes a clear error at once."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kafka.errors import SaslAuthenticationFailedError

from streamforge.errors import ConfigError, Fatal, Fault
from streamforge.health import RUN_DIRECTORY
from streamforge.incarnations import FILE, Incarnations

BOOTSTRAP = "127.0.0.1:9092"
# The client's own 30 s would miss a broker that is back; and of some tries only one sees why a password was refused.
RECONNECT_MS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Address and identity of one client: SCRAM-SHA-512 on the loopback listener.

    `incarnations_file` is the doctor's; absent beside a broker without one, whose log is in its first incarnation.
    `barrier_directory` is where `streamforge-syncd` answers; None: nobody syncs this broker's disk, and what it answers
    is the acknowledgement of alarms and events, too.
    """

    bootstrap: str
    username: str
    password: str = field(repr=False)
    client_id: str
    incarnations_file: Path = RUN_DIRECTORY / FILE
    barrier_directory: Path | None = RUN_DIRECTORY

    def incarnations(self) -> Incarnations:
        """The incarnations of the log. Raises Fatal where the file is not one: positions would mean nothing."""
        try:
            return Incarnations.from_json(self.incarnations_file.read_bytes())
        except FileNotFoundError:
            return Incarnations()
        except ValueError as error:
            raise Fatal(f"{self.incarnations_file}: {error}") from error

    def incarnations_stamp(self) -> int:
        """Changes whenever a new incarnation is opened; 0 = there is no list."""
        try:
            return self.incarnations_file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    @classmethod
    def from_environment(cls, principal: str) -> "Connection":
        """The connection of this process: STREAMFORGE_BOOTSTRAP, _KAFKA_USER and _KAFKA_PASSWORD_FILE, else defaults.

        `principal` is the user where the environment names none. Raises ConfigError when the password is not readable.
        """
        credentials = os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")
        path = Path(os.environ.get("STREAMFORGE_KAFKA_PASSWORD_FILE", f"{credentials}/kafka-password"))
        try:
            password = path.read_text().strip()
        except OSError as error:
            message = f"the Kafka password cannot be read: {error.strerror}"
            raise ConfigError([Fault(file=str(path), message=message)]) from error
        username = os.environ.get("STREAMFORGE_KAFKA_USER", principal)
        return cls(
            bootstrap=os.environ.get("STREAMFORGE_BOOTSTRAP", BOOTSTRAP),
            username=username,
            password=password,
            client_id=username,
        )

    def kwargs(self) -> dict[str, object]:
        """The arguments that kafka-python's producer, consumer and admin client have in common."""
        _quiet()
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }


@contextmanager
def watch_authentication(connection: Connection) -> Iterator[None]:
    """While a client is constructed inside: a refused password raises ConfigError at once.

    kafka-python takes a refused password for a lost connection and tries for 30 s; the cause passes by only as an
    argument of a warning of its connection manager. A filter that raises there ends its bootstrap loop.
    """
    logger = logging.getLogger("kafka.net.manager")
    refusal = partial(_raise_refusal)  # one of our own: connections may be made in several threads
    logger.addFilter(refusal)
    try:
        yield
    except SaslAuthenticationFailedError as error:
        message = f"the broker refuses the password of Kafka user '{connection.username}'"
        hint = "the credential kafka-password must be the one that `streamforge firstboot` made for this user"
        raise ConfigError([Fault(file=connection.bootstrap, message=message, hint=hint)]) from error
    finally:
        logger.removeFilter(refusal)


def _raise_refusal(record: logging.LogRecord) -> bool:
    for argument in record.args if isinstance(record.args, tuple) else ():
        if isinstance(argument, SaslAuthenticationFailedError):
            raise argument
    return True


def _quiet() -> None:
    """What the library would say, once an attempt, is said by us, once a change. Calling it again does nothing.

    Among it is a false alarm: SCRAM sends a proof, never the password. The connection manager's warnings must be made
    all the same, for `watch_authentication` looks at them; they go nowhere.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    manager = logging.getLogger("kafka.net.manager")
    manager.setLevel(logging.WARNING)
    manager.propagate = False
    if not manager.handlers:
        manager.addHandler(logging.NullHandler())
