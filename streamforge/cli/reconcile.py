"""`streamforge reconcile`: says what a cut of the log has cost; run by systemd after the broker, before its users."""

import argparse
import os
from pathlib import Path

from streamforge import logs
from streamforge.errors import ConfigError, StreamForgeError
from streamforge.gateway import places
from streamforge.incarnations import FILE
from streamforge.logs import Log
from streamforge.notify import Notifier
from streamforge.service import EXIT_FATAL, EXIT_STOPPED, refuse

_log = Log("reconcile")


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(prog="streamforge reconcile", description="says what a cut of the log has cost").parse_args(
        arguments
    )
    logs.set_up()
    try:
        said = _reconcile()
    except ConfigError as error:
        return refuse("streamforge-reconcile", error)
    except (StreamForgeError, OSError) as error:
        _log.error("not_reconciled", reason=str(error))
        return EXIT_FATAL
    Notifier().status(said)
    return EXIT_STOPPED


def _reconcile() -> str:
    """What there is to say, in one line. The client is loaded only where the log was ever cut."""
    if not (places.runtime() / FILE).exists():
        return "the log was never cut"
    from streamforge.adapters.epochs import noted
    from streamforge.bus.connection import Connection
    from streamforge.gateway.reconcile import Promise, reconcile

    promises = {
        adapter: [
            Promise(epoch=one.epoch, read=one.read, promised=one.promised, incarnation=one.incarnation)
            for one in counts
        ]
        for adapter, counts in noted(places.root() / "state").items()
    }
    state = Path(os.environ.get("STATE_DIRECTORY", places.root() / "state" / "streamforge-reconcile"))
    events = reconcile(Connection.from_environment("reconcile"), promises, state)
    return events[-1].message if events else "nothing was lost since the last start"
