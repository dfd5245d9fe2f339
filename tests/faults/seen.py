"""What one fault did, as every campaign but the power cuts notes it: a line of its state file."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One fault, judged by what the plant emitted and what the log and the sink really hold.

    `fault` names the row of the table, `seed` and `number` repeat it. `acknowledged` readings (or records) before it,
    of these `lost` and `doubled`. `is_reported`: the gateway itself said what was lost, or nothing was. `figures` are
    further measurements by name, with the unit in the name; `breaches` say in words what was promised and not kept.
    """

    fault: str
    seed: str
    number: int
    acknowledged: int
    lost: int = 0
    doubled: int = 0
    is_reported: bool = True
    recovery_seconds: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
