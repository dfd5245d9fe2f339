"""How a person's command reaches the broker: as `admin`, with the password that only root can read."""

import os

from streamforge.bus.connection import Connection
from streamforge.gateway import places


def connection() -> Connection:
    """The broker as the environment says, else as `admin`. Raises ConfigError where the password cannot be read."""
    if "CREDENTIALS_DIRECTORY" not in os.environ:
        os.environ.setdefault("STREAMFORGE_KAFKA_PASSWORD_FILE", str(places.root() / "credentials" / "kafka-admin"))
    return Connection.from_environment("admin")
