"""The four errors, chosen by who must act.

StreamForgeError
 |- ConfigError    the operator: file, line, key and what to write instead; the unit exits 78 and is not restarted
 |- NotConnected   the runner: it reconnects with backoff (any OSError is treated the same)
 |- Rejected       nobody now: those records go to the dead letter topic, the rest goes on
 '- Fatal          systemd: the unit exits 1 and is restarted
"""

from collections.abc import Sequence
from dataclasses import dataclass


class StreamForgeError(Exception):
    """Root of every error this product raises by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in a configuration, where it stands and what would be right."""

    file: str
    message: str
    key: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}:{key} {self.message}{hint}"


class ConfigError(StreamForgeError):
    """Configuration that the operator must mend; carries every fault found, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class NotConnected(StreamForgeError):  # noqa: N818 - a state of the peer, not a failure of ours
    """The peer is away; the runner tries again later."""


class Rejected(StreamForgeError):  # noqa: N818 - says what happened to the records
    """Some records of a batch can never be taken; `indices` are their places in the batch."""

    def __init__(self, indices: Sequence[int], reason: str) -> None:
        super().__init__(reason)
        self.indices = tuple(indices)
        self.reason = reason


class Fatal(StreamForgeError):  # noqa: N818 - the word systemd's administrator reads
    """This process cannot go on; systemd restarts it."""
