"""`streamforge status`: how the gateway is, in one screen or one JSON object."""

import argparse
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

from streamforge.gateway import places
from streamforge.gateway.overview import Overview, State, UnitView, gather
from streamforge.gateway.systemctl import Systemctl

_EXIT = {State.HEALTHY: 0, State.DEGRADED: 3, State.UNHEALTHY: 4, State.FAILED: 5}
_GIB = 1024**3
_MIB = 1024**2
MOST_CUTS = 5


def run(arguments: list[str]) -> int:
    """Print it; 0 HEALTHY, 3 DEGRADED, 4 UNHEALTHY, 5 FAILED."""
    parser = argparse.ArgumentParser(prog="streamforge status")
    parser.add_argument("--json", action="store_true", help="one JSON object; its shape stands in docs/cli.md")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to look for the rate (default: 1)")
    given = parser.parse_args(arguments)
    before = _gather()
    time.sleep(given.seconds)  # a rate needs two looks
    now = _gather(before)
    print(json.dumps(asdict(now)) if given.json else text(now))
    return _EXIT[now.state]


def _gather(before: Overview | None = None) -> Overview:
    return gather(places.root(), places.runtime(), Systemctl(), before)


def _has_budget(view: UnitView) -> bool:
    return view.details.get("kind") == "overflow"


def when(time_us: int) -> str:
    """Date and time, UTC."""
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}Z"


def text(now: Overview) -> str:
    """One screen for people: the state, the figures, then a line a unit, faults under theirs."""
    rate = "-" if now.readings_per_second is None else f"{now.readings_per_second:,.1f}"
    disk = f"{now.disk_used_bytes / _GIB:.1f} of {now.disk_total_bytes / _GIB:.1f} GiB"
    log = [f"   log {view.details['log_percent']:.0f} % of its budget" for view in now.units if _has_budget(view)]
    waiting = f"{now.waiting_bytes / _MIB:.1f} MiB"
    lines = [
        f"{now.state}   generation {now.generation or '-'}   clock {now.clock}",
        f"readings/s {rate}   backlog {now.backlog_records:,} records   unwritten {waiting}   disk {disk}"
        + "".join(log),
        "",
    ]
    for view in now.units:
        memory = f"{view.memory_bytes / _MIB:>6.0f} MiB" if view.memory_bytes else f"{'-':>10}"
        lines.append(f"{view.state:<10} {view.unit:<40} {memory}  {view.status}")
        lines += [f"{'':<11}{fault}" for fault in view.faults]
        lines += [f"{'':<11}at the last start: {finding}" for finding in view.details.get("doctor", ())]
        lines += [f"{'':<11}set aside: {log}" for log in view.details.get("aside", ())]
    lines += [f"cut {when(one.opened_at_us)}  {one.message}" for one in now.losses[-MOST_CUTS:]]
    if not now.units:
        lines.append("no unit is known: is this the gateway?")
    return "\n".join(lines)
