"""The JVM's lines as lines of the journal: with the priority that they deserve."""

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum


class SyslogPriority(IntEnum):
    """syslog(3), as the `<n>` that journald takes off the front of a line."""

    ERROR = 3
    WARNING = 4
    INFO = 6


_LEVELS = {"ERROR": SyslogPriority.ERROR, "WARN": SyslogPriority.WARNING, "INFO": SyslogPriority.INFO}
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
