"""Data out: every way out of the gateway: state, lag, last error, since when."""

from streamforge.web.snapshot import DOWN, Sink, Snapshot, Unit
from streamforge.web.view import View, render

PATH, NAME, TITLE = "/data-out", "data-out", "Data out"


def blocks(view: View) -> dict[str, str]:
    """The ways out, and the steps inside that the data pass before."""
    return {
        "sinks": render("sinks", view=view, down=down(view.snapshot), sinks=spoken(view.snapshot)),
        "stages": render("stages", stages=view.snapshot.stages),
    }


def down(snapshot: Snapshot) -> list[tuple[Unit, str]]:
    """Ways out that say nothing, and why."""
    return [(unit, DOWN[unit.state]) for unit in snapshot.sinks_down]


def spoken(snapshot: Snapshot) -> list[tuple[Sink, str, bool]]:
    """Ways out that speak, each with its state in words and whether somebody should look."""
    return [(sink, word(sink), is_bad(sink)) for sink in snapshot.sinks]


def is_bad(sink: Sink) -> bool:
    """Whether somebody should look."""
    return sink.is_waiting or sink.state in ("unhealthy", "failed", "silent")


def word(sink: Sink) -> str:
    """The state of a sink in words."""
    if sink.breaker == "open":
        return "waits: the target takes no data"
    if sink.is_waiting:
        return "tries again"
    return "delivers" if sink.last_success_us else "has delivered nothing yet"
