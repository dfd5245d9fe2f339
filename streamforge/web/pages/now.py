"""Now: the state in words, what to do, the figures that matter, the ledger, devices and services."""

from collections.abc import Sequence
from itertools import accumulate

from streamforge.gateway.reconciled import Said
from streamforge.web import sparkline, words
from streamforge.web.snapshot import Device, SinkLedger, Snapshot, Unit, UnitState
from streamforge.web.verdict import is_log_down
from streamforge.web.view import View, render

PATH, NAME, TITLE = "/", "now", "Now"
_BAR = 1000
MOST_ROWS = 60
# Readings a second below which a backlog neither grows nor drains to speak of.
LEAST_GROWTH = 0.5
ONCE = (
    "streamforge-firstboot", "streamforge-instances", "streamforge-topics", "streamforge-reconcile",
    "streamforge-events",
)  # fmt: skip
MOST_CUTS = 5


def blocks(view: View) -> dict[str, str]:
    """The parts of the page by name, in order."""
    return {
        "state": render("now_state", verdict=view.verdict),
        "todo": render("now_todo", todo=view.verdict.todo),
        "figures": render("now_figures", view=view, waiting=waiting(view.snapshot)),
        "ledger": render("now_ledger", view=view, ledger=view.snapshot.ledger, shares=shares, backlog=backlog),
        "losses": render("now_losses", view=view, said=newest(view.snapshot), aside=view.snapshot.aside, lost=lost),
        "devices": render(
            "now_devices", view=view, rows=[(one, *trace(view, one)) for one in listed(view)], more=more(view)
        ),
        "services": render("now_services", units=working(view.snapshot.units)),
    }


def waiting(snapshot: Snapshot) -> tuple[int | None, str]:
    """What sinks have still to deliver, and of what that is a number. None while the log is away: nobody can know.

    Records, as the sinks say; where one does not run, readings, as the ledger counts them.
    """
    if is_log_down(snapshot):
        return None, "record"
    ledger = snapshot.ledger.sinks if snapshot.ledger is not None else ()
    if any(one.note for one in ledger):
        return sum(one.waiting for one in ledger), "reading"
    return sum(sink.lag_records for sink in snapshot.sinks), "record"


def newest(snapshot: Snapshot) -> Sequence[Said]:
    """The cuts that the page lists, the newest first."""
    return snapshot.cuts[: -MOST_CUTS - 1 : -1]


def lost(said: Said) -> str:
    """How many readings a cut cost, in words: a count, its bounds, or that nobody can count them."""
    if said.at_least is None or said.at_most is None:
        return "not counted"
    if said.at_least == said.at_most:
        return f"{said.at_most:,}"
    return f"{said.at_least:,} to {said.at_most:,}"


def listed(view: View) -> list[Device]:
    """The devices that the page lists: the silent ones first, where there are many."""
    devices = sorted(view.snapshot.devices, key=lambda one: (one.state == "ONLINE", one.asset_id))
    return devices[:MOST_ROWS]


def working(units: Sequence[Unit]) -> list[Unit]:
    """What people may care about: the ill ones first, and nothing that did its one job at the start."""
    lasting = [unit for unit in units if unit.name not in ONCE or unit.state is not UnitState.HEALTHY]
    return sorted(lasting, key=lambda unit: unit.state is UnitState.HEALTHY)


def more(view: View) -> int:
    """Devices beyond what the page lists."""
    return max(0, len(view.snapshot.devices) - MOST_ROWS)


def trace(view: View, device: Device) -> tuple[str, str]:
    """SVG path and caption of the device's trace."""
    parameter, points, _ = view.values.trace(device.asset_id)
    return sparkline.path(points), parameter


def shares(ledger: SinkLedger) -> list[tuple[str, int, int, str]]:
    """A way out's ledger as parts of a bar: (class, x, width, per cent in words); the whole bar is 1000 wide."""
    if ledger.read <= 0:
        return []
    figures = {name: int(getattr(ledger, name)) for name in ("delivered", "waiting", "rejected", "evicted")}
    # A part that is not nothing is at least visible; the largest gives what that takes.
    widths = {name: max(3, round(_BAR * part / ledger.read)) if part else 0 for name, part in figures.items()}
    largest = max(widths, key=lambda name: widths[name])
    widths[largest] = max(0, _BAR - sum(width for name, width in widths.items() if name != largest))
    places = accumulate(widths.values(), initial=0)
    return [
        (name, x, widths[name], f"{100 * part / ledger.read:.2f} % {name}")
        for (name, part), x in zip(figures.items(), places, strict=False)
    ]


def backlog(ledger: SinkLedger) -> str:
    """What becomes of what waits, in words."""
    if not ledger.waiting:
        return "nothing waits"
    waits = f"{ledger.waiting:,} wait"
    growth = ledger.growth_per_second
    if growth is None or abs(growth) < LEAST_GROWTH:
        return waits
    if growth > 0:
        return f"{waits}, growing by {words.rate(growth)} a second"
    return f"{waits}, draining by {words.rate(-growth)} a second: done in {words.age(ledger.waiting / -growth)}"
