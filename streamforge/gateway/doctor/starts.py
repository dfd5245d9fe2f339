"""Starts of the broker that failed, in a row: `kafka/failed-starts.json`. It is there only while there are any.

The supervisor counts those whose cause lies in the log; the doctor acts on the third. What the disk, the memory, a port
or a password did is nothing that another log would mend.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from streamforge.durable import sync_directory, write_durably
from streamforge.errors import ConfigError, Fault

FILE = "failed-starts.json"
MOST = 3
_MODE = 0o640
# How a JVM ends that could not start (1), found its memory corrupt (SIGABRT), or an index that is mapped into its
# memory on a bad sector (SIGBUS, SIGSEGV). SIGKILL is the kernel's or a person's, 3 is an exhausted heap.
_ENDINGS_OF_THE_LOG = {1, -6, -7, -11, 128 + 6, 128 + 7, 128 + 11}
_NOT_THE_LOG = re.compile(
    r"Address already in use|Failed to acquire lock on file|No space left on device|Disk quota exceeded"
    r"|Read-only file system|Permission denied|AccessDeniedException|Too many open files|OutOfMemoryError"
    r"|Cannot allocate memory|insufficient memory|ClassNotFoundException|NoClassDefFoundError"
    r"|UnsupportedClassVersionError|Could not find or load main class|Could not create the Java Virtual Machine"
    r"|ConfigException|SaslAuthenticationException|No MetadataVersion with|UnsupportedVersionException"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStarts:
    """`reasons` of the starts that failed in a row, one each. `aside`: the number of the log that was set aside for
    them since the broker served last, 0 = none. `is_returned`: the fresh one did no better, and that log is back.
    `refused`: why no start is tried.
    """

    reasons: tuple[str, ...] = ()
    aside: int = 0
    is_returned: bool = False
    refused: str = ""

    @property
    def is_enough(self) -> bool:
        """Whether another try would only be one more."""
        return len(self.reasons) >= MOST


def load(kafka: Path) -> FailedStarts:
    """What stands there; none where the file is missing or damaged."""
    try:
        raw = json.loads((kafka / FILE).read_text())
        return FailedStarts(**raw | {"reasons": tuple(map(str, raw["reasons"]))})
    except (OSError, ValueError, TypeError, KeyError):
        return FailedStarts()


def save(kafka: Path, starts: FailedStarts) -> None:
    """Bring it to the disk; nothing to say is no file. Raises OSError."""
    if starts != FailedStarts():
        write_durably(kafka / FILE, json.dumps(asdict(starts), indent=1).encode(), mode=_MODE)
    elif (kafka / FILE).exists():
        (kafka / FILE).unlink()
        sync_directory(kafka)


def count(kafka: Path, reason: str) -> int:
    """One more start failed for a reason in the log; how many in a row that makes. Raises OSError."""
    known = load(kafka)
    reasons = (*known.reasons, reason)
    save(kafka, replace(known, reasons=reasons[-MOST:]))
    return len(reasons)


def is_of_the_log(code: int | None, said: Iterable[str]) -> bool:
    """Whether a start failed for what stands in the log. `code`: how the JVM ended, None = it lives and its port is
    closed; `said`: its last lines.
    """
    is_its_ending = code is None or code in _ENDINGS_OF_THE_LOG
    return is_its_ending and not any(map(_NOT_THE_LOG.search, said))


def expect_allowed(kafka: Path) -> None:
    """ConfigError where the doctor refused to go on: only a person can, and a restart would not help."""
    if refused := load(kafka).refused:
        hint = "see docs/kafka-doctor.md; then `systemctl restart kafka`"
        raise ConfigError([Fault(file=str(kafka), message=refused, hint=hint)])
