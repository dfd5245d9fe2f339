"""What a unit tells systemd about itself (sd_notify(3)); without a NOTIFY_SOCKET nothing is sent."""

import errno
import time
from contextlib import suppress

import sdnotify


class Notifier:
    """One process's line to the service manager."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        # Else it swallows whatever is raised while it sends, also the SystemExit of a signal.
        self._notifier.debug = True

    def ready(self) -> None:
        """Start-up (or a reload) is finished."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Work was done; sent by the work itself, never by a thread beside it."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def failing(self, text: str) -> None:
        """The same, of a process that cannot do its work and will end with an error."""
        self._send(f"{_status(text)}\nERRNO={errno.EIO}")

    def reloading(self) -> None:
        """Configuration is being read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The unit is about to end."""
        self._send("STOPPING=1")

    def extend_start(self, seconds: float) -> None:
        """The start goes on and needs up to this many more seconds: TimeoutStartSec= shall not end it."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send(self, state: str) -> None:
        if self._notifier.socket is None:
            return
        with suppress(OSError):  # systemd is restarting itself; the next message will reach it
            self._notifier.notify(state.encode().decode("latin-1"))  # which it encodes as such: UTF-8 goes out


def _status(text: str) -> str:
    return f"STATUS={text.splitlines()[0] if text else ''}"
