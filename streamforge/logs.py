"""One JSON object a line to the journal: a constant event name plus fields, on changes only.

A component never logs routine. `event` names are lower_snake_case and never carry values; values are fields.
"""

import json
import logging
import sys
from datetime import UTC, datetime

# sd-daemon(3): a line that begins with <N> gets that priority in the journal.
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_LIBRARIES = ("pymodbus", "asyncua", "kafka", "paho", "psycopg", "urllib3", "asyncio")


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = {"event": record.getMessage(), **fields}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return f"<{_PRIORITY.get(record.levelno, 6)}>{json.dumps(line, default=str, ensure_ascii=False)}"


class _TerminalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        now = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        return f"{now} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()


def set_up() -> None:
    """Send our events to standard error: JSON with a priority for the journal, words for a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_TerminalFormatter() if sys.stderr.isatty() else _JournalFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("streamforge").setLevel(logging.INFO)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL)


class Log:
    """Where one part of a process says what changed."""

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(f"streamforge.{part}")

    def info(self, event: str, **fields: object) -> None:
        """Something worth knowing later changed."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Somebody may have to look: once per change, never once a second."""
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, *, trace: bool = False, **fields: object) -> None:
        """This process cannot do its work."""
        self._logger.error(event, extra={"fields": fields}, exc_info=trace)

    def critical(self, event: str, **fields: object) -> None:
        """Records are out of reach, or soon will be: somebody must look."""
        self._logger.critical(event, extra={"fields": fields})
