"""What a unit tells systemd about itself (sd_notify(3)); without a NOTIFY_SOCKET nothing is sent."""

import time

import sdnotify


class Notifier:
    """One process's line to the service manager."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    def ready(self) -> None:
        """Start-up (or a reload) is finished."""
        self._notifier.notify("READY=1")

    def watchdog(self) -> None:
        """Work was done; sent by the work itself, never by a thread beside it."""
        self._notifier.notify("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._notifier.notify(f"STATUS={text.splitlines()[0] if text else ''}")

    def reloading(self) -> None:
        """Configuration is being read again; `ready` ends it."""
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The unit is about to end."""
        self._notifier.notify("STOPPING=1")

    def extend_start(self, seconds: float) -> None:
        """The start goes on and needs up to this many more seconds: TimeoutStartSec= shall not end it."""
        self._notifier.notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")
