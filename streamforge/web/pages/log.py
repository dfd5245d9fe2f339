"""Log: the recent journal lines of our units, by unit and priority."""

import re

from streamforge.errors import NotConnected
from streamforge.web import journal
from streamforge.web.view import View, render

PATH, NAME, TITLE = "/log", "log", "Log"
_UNIT = re.compile(r"kafka|streamforge-[a-z0-9-]{1,60}(@[a-z0-9-]{1,40})?")
_WORDS = {0: "emergency", 1: "alert", 2: "critical", 3: "error", 4: "warning", 5: "notice", 6: "info", 7: "debug"}


def blocks(view: View) -> dict[str, str]:
    """The filter and the lines."""
    unit, priority = chosen(view)
    units = sorted({one.name for one in view.snapshot.units} | ({unit} if unit else set()))
    return {
        "filter": render("log_filter", units=units, unit=unit, priority=priority, priorities=journal.PRIORITIES),
        "lines": _lines(view, unit, priority),
    }


def chosen(view: View) -> tuple[str, str]:
    """Unit and priority of the query string; anything else than a unit of ours or a known priority is ""."""
    unit, priority = view.query.get("unit", ""), view.query.get("priority", "")
    return (unit if _UNIT.fullmatch(unit) else ""), (priority if priority in journal.PRIORITIES else "")


def _lines(view: View, unit: str, priority: str) -> str:
    try:
        lines, problem = journal.read(unit, priority), ""
    except NotConnected as error:
        lines, problem = [], str(error)
    return render(
        "log_lines", view=view, lines=lines, problem=problem, level=_WORDS, is_filtered=bool(unit or priority)
    )
