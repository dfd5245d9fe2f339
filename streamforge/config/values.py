"""The types that configurations of several components share."""

import re
from dataclasses import dataclass

_MEMORY = re.compile(r"\d+[KMG]?")
_CPU = re.compile(r"\d+%")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and most that an `Annotated` value may be, both allowed; for text and tuples, its length."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        if self.least is None:
            return f"at most {self.most}"
        if self.most is None:
            return f"at least {self.least}"
        return f"from {self.least} to {self.most}"

    def hold(self, value: float) -> bool:
        """Whether the value lies within."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What systemd grants this instance, within the template's ceiling; empty = the template's own.

    `memory` as in MemoryMax= ("128M"), `cpu` as in CPUQuota= ("50%").
    """

    memory: str = ""
    cpu: str = ""

    def __post_init__(self) -> None:
        if self.memory and not _MEMORY.fullmatch(self.memory):
            msg = f'memory = "{self.memory}" is not a size such as "128M"'
            raise ValueError(msg)
        if self.cpu and not _CPU.fullmatch(self.cpu):
            msg = f'cpu = "{self.cpu}" is not a share such as "50%"'
            raise ValueError(msg)
