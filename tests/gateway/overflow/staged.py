"""A unit that is nothing but its health."""

from typing import Any

from streamforge.health import Asked, Health, State


def asked(unit: str, details: dict[str, Any]) -> Asked:
    """What its server answers with."""
    return Asked(
        unit=unit,
        health=lambda: Health(state=State.HEALTHY, status="", details=details),
        metrics=lambda: b"",
        is_ready=lambda: True,
        since_us=lambda: 0,
    )
