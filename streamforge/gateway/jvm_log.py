"""The JVM's lines as lines of the journal: with the priority that they deserve."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from enum import IntEnum


class SyslogPriority(IntEnum):
    """syslog(3), as the `<n>` that journald takes off the front of a line."""

    ERROR = 3
    WARNING = 4
    INFO = 6


_LEVELS = {"ERROR": SyslogPriority.ERROR, "WARN": SyslogPriority.WARNING, "INFO": SyslogPriority.INFO}
_MOST_LINES = 300
_LOGGER_LINE = re.compile(r"(ERROR|WARN|INFO) \S+ - ")
_JVM_WARNING = re.compile(r"(OpenJDK .*VM warning:|\[.*\]\[warning\])")
# What a healthy single node says as a warning; each was seen, understood, and asks nobody to act.
_HARMLESS = re.compile(
    r"Performing controller activation\.(?: The metadata log appears to be empty\b.*)?$"  # every start; the first
    r"|Attempting to close NetworkClient that has already been closed"  # every stop
)


def prioritised(lines: Iterable[str]) -> Iterator[str]:
    """Each line with its `<priority>`; what follows a line of a logger (a stack trace) has that line's."""
    priority = SyslogPriority.INFO
    for line in lines:
        text = line.rstrip("\n")
        if match := _LOGGER_LINE.match(text):
            priority = SyslogPriority.INFO if _HARMLESS.search(text) else _LEVELS[match[1]]
        elif _JVM_WARNING.match(text):
            priority = SyslogPriority.WARNING
        yield f"<{priority.value}>{text}"


class StartLines:
    """What a JVM said lately while it starts, so that a start that failed can be judged; nothing once it serves."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._is_over = False

    def taken(self, lines: Iterable[str]) -> Iterator[str]:
        """The same lines, kept on their way."""
        for line in lines:
            if not self._is_over:
                self._lines.append(line.rstrip("\n"))
            yield line

    def end(self) -> None:
        """It serves: let go of everything."""
        self._is_over = True
        self._lines.clear()

    @property
    def lines(self) -> tuple[str, ...]:
        """Oldest first, the last 300."""
        return tuple(self._lines)

    @property
    def first_error(self) -> str:
        """The line that most likely says why; empty where none does."""
        return next((line for line in self._lines if line.startswith("ERROR")), "")
