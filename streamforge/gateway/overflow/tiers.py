"""How full the disk is, as one of five tiers. Pure."""

from dataclasses import dataclass, replace
from enum import IntEnum

# A tier is left only this far below the figure at which it is entered.
HYSTERESIS_PERCENT = 2
# Down to here an eviction goes, so that it comes in steps and not record by record.
TARGET_PERCENT = 85


class Tier(IntEnum):
    """Each with the per cent from which it holds."""

    CALM = 0
    ALERT = 70
    DOWNSAMPLE = 80
    EVICT = 90
    GATE = 95

    @property
    def word(self) -> str:
        """For people and logs."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is taken of what there is, in bytes: the log of its budget, and its file system as a whole.

    The second counts what the first does not: logs set aside, the ballast, files of others.
    """

    log_bytes: int
    budget_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int

    @property
    def log_percent(self) -> float:
        """The log, of its budget."""
        return 100 * self.log_bytes / max(1, self.budget_bytes)

    @property
    def disk_percent(self) -> float:
        """The file system, of what a service may use of it."""
        return 100 * self.disk_used_bytes / max(1, self.disk_total_bytes)

    @property
    def percent(self) -> float:
        """The worse of the two."""
        return max(self.log_percent, self.disk_percent)

    def without(self, size_bytes: int) -> "Use":
        """What it would be if so many bytes of the log had gone."""
        log, disk = self.log_bytes - size_bytes, self.disk_used_bytes - size_bytes
        return replace(self, log_bytes=max(0, log), disk_used_bytes=max(0, disk))

    def excess_bytes(self, percent: int = TARGET_PERCENT) -> int:
        """What must go so that both are at this per cent; 0 = nothing."""
        log = self.log_bytes - self.budget_bytes * percent // 100
        return max(0, log, self.disk_used_bytes - self.disk_total_bytes * percent // 100)


def tier_of(percent: float, before: Tier) -> Tier:
    """The tier that holds now: entered at its figure, left only below it by the hysteresis."""
    entered = max(tier for tier in Tier if percent >= tier)
    held = max(tier for tier in Tier if tier <= before and percent >= tier - HYSTERESIS_PERCENT)
    return max(entered, held)
