"""`streamforge reconcile`: says what a cut of the log has cost; run by systemd whenever the broker was started."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from streamforge import logs
from streamforge.backoff import patiently
from streamforge.errors import ConfigError, StreamForgeError
from streamforge.gateway import places
from streamforge.gateway.reconciled import load, show
from streamforge.incarnations import FILE, Incarnations
from streamforge.logs import Log
from streamforge.notify import Notifier
from streamforge.service import EXIT_FATAL, EXIT_STOPPED, refuse

if TYPE_CHECKING:
    from streamforge.gateway.cut_losses import Promise

# A broker that just came may be slow to answer, and lose its session once more.
PATIENCE_SECONDS = 30.0
# How long the next record of an adapter that outlived the cut is waited for; what comes later is seen at the next run.
WAIT_SECONDS = 20.0
NOTHING = "nothing was lost since the last start"
_log = Log("reconcile")


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(prog="streamforge reconcile", description="says what a cut of the log has cost").parse_args(
        arguments
    )
    logs.set_up()
    state = Path(os.environ.get("STATE_DIRECTORY", places.root() / "state" / "streamforge-reconcile"))
    try:
        said = _reconcile(state)
        show(places.runtime(), load(state))
    except ConfigError as error:
        return refuse("streamforge-reconcile", error)
    except (StreamForgeError, OSError) as error:
        _log.error("not_reconciled", reason=str(error))
        Notifier().failing(f"cannot say yet what was lost: {error}")
        return EXIT_FATAL
    Notifier().status(said)
    return EXIT_STOPPED


def _reconcile(state: Path) -> str:
    """What there is to say, in one line. The client is loaded only where there is something to find out."""
    try:
        incarnations = Incarnations.from_json((places.runtime() / FILE).read_bytes())
    except FileNotFoundError:
        return "the log was never cut"
    except ValueError:
        return _find_out(state)  # which says what is wrong with the list
    known = load(state)
    if incarnations.current > known.incarnation or known.open:
        return _find_out(state)
    return NOTHING if known.said else "the log was never cut"


def _find_out(state: Path) -> str:
    from streamforge.bus.connection import Connection
    from streamforge.gateway.reconcile import look_again, reconcile

    connection = Connection.from_environment("reconcile")
    messages = [NOTHING]

    def say() -> None:
        """What was said before the broker went away is not said again."""
        promises, running = _noted()
        messages.extend(event.message for event in reconcile(connection, promises, state, running))
        seconds = WAIT_SECONDS if running else 0.0
        messages.extend(event.message for event in look_again(connection, promises, state, seconds=seconds))

    patiently(say, PATIENCE_SECONDS)
    return messages[-1]


def _noted() -> tuple[dict[str, list["Promise"]], set[str]]:
    """What every adapter noted, and the adapters that run: none does at boot, for they wait for this."""
    from streamforge.adapters.epochs import noted, running
    from streamforge.gateway.cut_losses import Promise

    state = places.root() / "state"
    promises = {
        adapter: [
            Promise(epoch=one.epoch, read=one.read, promised=one.promised, incarnation=one.incarnation, began=one.began)
            for one in counts
        ]
        for adapter, counts in noted(state).items()
    }
    return promises, running(state, places.runtime())
