"""How the gateway's disk is, in a state and words. Pure.

A log that is full of what everybody has is what a gateway looks like after some weeks, and nobody need be told: what
stands in the way gives way. So the figures of 70 and 80 % alert only for what is not such history.
"""

from dataclasses import dataclass

from streamforge.gateway.overflow.tiers import Tier, Use
from streamforge.health import State

_GIB = 1024**3
_DOES = {
    Tier.EVICT: ": the oldest of low priority gives way",
    Tier.DOWNSAMPLE: ": raw readings over an hour old give way",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is known: the tier by all that is there, the one without `history_bytes` (what every reader has and may go
    at any time), the alarms of their share; `barred`: why none of them may go. `blind`, `failure`: what does not work.
    """

    use: Use
    tier: Tier = Tier.CALM
    tier_without_history: Tier = Tier.CALM
    alarms_percent: float = 0.0
    barred: str = ""
    blind: str = ""
    failure: str = ""

    @property
    def is_alert(self) -> bool:
        """Whether somebody should know: 70 % is no history, or there is so much that more than old raw must go."""
        return self.tier >= Tier.EVICT or self.tier_without_history >= Tier.ALERT

    def judge(self) -> tuple[State, str]:
        """UNHEALTHY: telemetry is gated, or the alarms' share is full. DEGRADED: an alert, or it cannot work."""
        used = f"log {self.use.log_percent:.0f} % of {self.use.budget_bytes / _GIB:.1f} GiB"
        used += f", disk {self.use.disk_percent:.0f} % full"
        if self.blind:
            return State.DEGRADED, self.blind
        if self.tier is Tier.GATE:
            return State.UNHEALTHY, f"{used}: telemetry waits in the adapters"
        if self.alarms_percent >= 100:
            why = f" ({self.barred})" if self.barred else ""
            return State.UNHEALTHY, f"{used}: the alarms' share is full{why}"
        if self.failure:
            return State.DEGRADED, f"{used}: cannot evict: {self.failure}"
        if self.is_alert:
            return State.DEGRADED, used + _DOES.get(self.tier, ": it is filling up")
        return State.HEALTHY, used + (": most of it everybody has, the oldest gives way" if self.tier else "")
