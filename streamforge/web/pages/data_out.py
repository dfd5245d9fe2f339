"""Data out: every way out of the gateway: state, lag, last error, since when."""

from streamforge.web.snapshot import Sink
from streamforge.web.view import View, render

PATH, NAME, TITLE = "/data-out", "data-out", "Data out"


def blocks(view: View) -> dict[str, str]:
    """The ways out, and the steps inside that the data pass before."""
    return {
        "sinks": render("sinks", view=view, sinks=[(sink, word(sink), is_bad(sink)) for sink in view.snapshot.sinks]),
        "stages": render("stages", stages=view.snapshot.stages),
    }


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
