"""What the controller sees: the log's files, the file system, the budget, and what of the log every reader has."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from streamforge.errors import ConfigError
from streamforge.gateway.overflow import alarm_share
from streamforge.gateway.overflow.ages import Ages
from streamforge.gateway.overflow.ahead import Budget
from streamforge.gateway.overflow.condition import Condition
from streamforge.gateway.overflow.log_use import LogLook, LogUse
from streamforge.gateway.overflow.plan import Held, history_bytes
from streamforge.gateway.overflow.readers import Readers
from streamforge.gateway.overflow.tiers import Use, tier_of
from streamforge.incarnations import FILE as INCARNATIONS_FILE
from streamforge.incarnations import Incarnations
from streamforge.logs import Log
from streamforge.model import Topic
from streamforge.progress import Partition

_log = Log("overflow")


class Sight:
    """As of the last look. `starts`: where partitions begin already although the files are still there."""

    def __init__(self, root: Path, runtime: Path, budget: Callable[[], Budget], readers: Readers) -> None:
        self.look = LogLook()
        self.budget = Budget(size_bytes=1)
        self.condition = Condition(use=Use(log_bytes=0, budget_bytes=1, disk_used_bytes=0, disk_total_bytes=1))
        self.history_bytes = 0
        self.starts: dict[Partition, int] = {}
        self.ages = Ages()
        self._root = root
        self._incarnations = runtime / INCARNATIONS_FILE
        self._read_budget = budget
        self._readers = readers
        self._log_use = LogUse(root / "kafka" / "data")

    def see(self, now_seconds: float) -> None:
        """Look at everything once; what cannot be seen is said."""
        try:
            self.look = self._log_use.look()
            disk = shutil.disk_usage(self._root)
        except OSError as error:
            self._say_blind(f"the log cannot be seen: {error.strerror}")
            return
        self._say_blind("")
        with suppress(ConfigError, OSError):  # while the configuration cannot be read, it is as it was
            self.budget = self._read_budget()
        raw = [one for one in self.look.partitions if one.place.topic == Topic.TELEMETRY_RAW.value]
        self.ages.note(raw, now_seconds)
        # Only of the log that is there: of one that begins anew, what was deleted in the one before means nothing.
        newest = {one.place: one.segments[-1].first for one in self.look.partitions if one.segments}
        self.starts = {place: start for place, start in self.starts.items() if start <= newest.get(place, -1)}
        held = self.held() if self.are_readers_heard else {}  # nobody is alarmed before
        self.history_bytes = 0 if held is None else history_bytes(self.look.partitions, held, self.starts)
        self._conclude(
            Use(
                log_bytes=self.look.size_bytes,
                budget_bytes=self.budget.size_bytes,
                disk_used_bytes=disk.used,
                disk_total_bytes=disk.used + disk.free,  # what root has in reserve is nobody's
            )
        )

    @property
    def are_readers_heard(self) -> bool:
        """Whether it is known by now where they stand."""
        return self._readers.are_heard

    def held(self) -> Held | None:
        """What readers still need; None where the incarnations cannot be read: then no position means anything."""
        try:
            incarnations = Incarnations.from_json(self._incarnations.read_bytes())
        except FileNotFoundError:
            incarnations = Incarnations()
        except (OSError, ValueError):
            return None
        return self._readers.held([one.place for one in self.look.partitions], incarnations)

    def _conclude(self, use: Use) -> None:
        before = self.condition
        now = replace(
            before,
            use=use,
            tier=tier_of(use.percent, before.tier),
            tier_without_history=tier_of(use.without(self.history_bytes).percent, before.tier_without_history),
            alarms_percent=alarm_share.percent(self.look, use.budget_bytes),
        )
        if now.tier is not before.tier or now.is_alert is not before.is_alert:
            say = _log.warning if now.is_alert and now.tier >= before.tier else _log.info
            say(
                "disk_tier",
                tier=now.tier.word,
                before=before.tier.word,
                log_percent=round(use.log_percent, 1),
                disk_percent=round(use.disk_percent, 1),
                history_bytes=self.history_bytes,
            )
        self.condition = now

    def _say_blind(self, reason: str) -> None:
        if reason and reason != self.condition.blind:
            _log.warning("log_not_seen", reason=reason)
        self.condition = replace(self.condition, blind=reason)
