"""`streamforge events`: sends what waits in the event spool; started by systemd when something waits there."""

import argparse
import time

from streamforge import logs
from streamforge.errors import ConfigError, NotConnected, StreamForgeError
from streamforge.gateway import places
from streamforge.gateway.event_spool import EventSpool, place
from streamforge.logs import Log
from streamforge.notify import Notifier
from streamforge.service import EXIT_FATAL, EXIT_STOPPED, refuse

UNIT = "streamforge-events"
# The path unit starts it again at once while anything waits: how long it stays is what keeps that from being a loop.
WAIT_SECONDS, LINGER_SECONDS, REST_SECONDS = 240.0, 10.0, 60.0
_log = Log("events")


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(prog="streamforge events", description="sends what waits in the event spool").parse_args(
        arguments
    )
    logs.set_up()
    spool = EventSpool(place(places.root()))
    try:
        Notifier().status(f"delivered {_deliver(spool)}")
        return EXIT_STOPPED
    except NotConnected as error:
        Notifier().status(f"{len(spool.waiting())} wait for the broker: {error}")
        _log.warning("events_wait", reason=str(error))
        return EXIT_STOPPED
    except ConfigError as error:
        code = refuse(UNIT, error)
    except (StreamForgeError, OSError) as error:
        Notifier().failing(f"cannot deliver: {error}")
        _log.error("events_not_delivered", reason=str(error))
        code = EXIT_FATAL
    time.sleep(REST_SECONDS)
    return code


def _deliver(spool: EventSpool) -> int:
    """The client is loaded only where something waits."""
    if not spool.waiting():
        return 0
    from streamforge.bus.connection import Connection
    from streamforge.gateway.event_sender import EventSender

    sender = EventSender(Connection.from_environment("events"), spool)
    sender.run(wait_seconds=WAIT_SECONDS, linger_seconds=LINGER_SECONDS)
    return sender.delivered
