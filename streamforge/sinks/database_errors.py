"""What an error of PostgreSQL means here: who must act, and the key of the configuration where that is the operator."""

import re
from typing import Protocol

import psycopg
from psycopg import errors

from streamforge.errors import ConfigError, Fault, NotConnected, StreamForgeError

_AT_CONNECT = (
    ("password authentication failed", "password", "the server refuses this user and password"),
    ("no password supplied", "password", "the server wants a password"),
    ("no pg_hba.conf entry", "user", "the server lets nobody of this user, database and address in (pg_hba.conf)"),
    ("pg_hba.conf rejects", "user", "the server refuses this user, database and address (pg_hba.conf)"),
    ("permission denied for database", "user", "this user may not connect to this database"),
    ("server does not support SSL", "sslmode", "the server speaks no TLS"),
    ("certificate verify failed", "sslrootcert", "the server's certificate is not of a known authority"),
    ("root certificate file", "sslrootcert", "the authority's certificate cannot be read"),
    ("does not match host name", "sslmode", "the server's certificate is of another host"),
)
"""libpq gives no code for a refused connection, only the server's text: one of these, or the runner tries again."""


_ABSENT = re.compile(r'(database|role) "[^"]*" does not exist')


class Place(Protocol):
    """What a message names: where the server is and which file says so."""

    @property
    def address(self) -> str:
        """host:port/database"""

    @property
    def file(self) -> str:
        """The configuration, below its generation."""


def one_line(error: BaseException) -> str:
    """The first line of the message that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def at_connect(error: psycopg.Error, place: Place) -> StreamForgeError:
    """The operator's error where the server refuses what the configuration says, else the runner's."""
    message = str(error)
    refusal = next(((key, words) for sign, key, words in _AT_CONNECT if sign in message), None)
    if refusal is None and (absent := _ABSENT.search(message)):
        refusal = ("database" if absent[1] == "database" else "user", f"this {absent[1]} does not exist")
    if refusal is None:
        return NotConnected(f"{place.address}: {one_line(error)}")
    return _fault(place, *refusal, hint=one_line(error))


def at_setup(error: psycopg.Error, place: Place) -> StreamForgeError:
    """What went wrong while tables were looked for and made."""
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return NotConnected(f"{place.address}: the server is read-only (a standby?)")
    if isinstance(error, errors.InsufficientPrivilege):
        return _fault(
            place, "user", f"this user lacks a right: {one_line(error)}", hint="GRANT CREATE, or own the schema"
        )
    if isinstance(error, psycopg.ProgrammingError):
        return _fault(
            place, "schema", f"the tables there are not ours: {one_line(error)}", hint="choose another schema"
        )
    return NotConnected(f"{place.address}: {one_line(error)}")


def _fault(place: Place, key: str, message: str, hint: str) -> ConfigError:
    return ConfigError([Fault(file=place.file, key=key, message=f"{place.address}: {message}", hint=hint)])
