"""`streamforge bench adapters`: what each adapter costs, from the wire to the log, beside the figures that are wanted.

Each adapter runs as its unit does, as a process beside a throw-away broker, and the far end is a process of its own.
CPU and memory are the adapter's alone; a reading counts when the log has acknowledged it. Of protocols whose peers send
by themselves, what it costs from the wire to the readings stands beside it (`wire.py`).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.bench.adapter_loads import BUSY, CORE, CPU, RATE, RSS, WIRE, Bound, Load, loads
from streamforge.bench.measure import Usage, usage
from streamforge.bench.site import Site
from streamforge.errors import Fatal, StreamForgeError
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.health import State

WARM_UP_SECONDS = 5.0
# Readings of a slow line come in steps, and so do acknowledgements: both ends of a measurement are such a step.
STEP_SECONDS = 5.0
FIGURES = (CPU, WIRE, RATE, CORE, BUSY, RSS)
HEADS = ("CPU us an item", "without the log", "items/s", "% of a core", "% line busy", "RSS MB")
# A server of 5,000 items takes a while to make them.
FIRST_SECONDS = 120.0
_LOOK_SECONDS = 0.01
_RETRY = "\n[retry_policy]\nfirst_ms = 50\nmost_ms = 500\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was seen of one load: figure -> value; `fault`: why there is none."""

    load: Load
    figures: Mapping[str, float]
    dropped: int = 0
    fault: str = ""

    @property
    def missed(self) -> list[str]:
        """The figures that are not as wanted."""
        return [name for name, bound in self.load.wanted.items() if not _holds(self.figures.get(name), bound)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    at_seconds: float
    used: Usage
    read: int
    dropped: int


def run(arguments: Sequence[str]) -> int:
    """Measure and print the table, and as last line one JSON object; 1 = a load could not be measured."""
    chosen, seconds = _chosen(arguments)
    load_before = os.getloadavg()[0]
    try:
        rows = _measure_all(chosen, seconds)
    except OSError as error:
        raise Fatal(f"no broker to write to: {error}") from error
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    average = f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(report(f"{time.strftime('%d %B %Y')}; {machine}; {average}; {seconds:g} s each", rows))
    return int(any(row.fault for row in rows))


def _measure_all(chosen: Sequence[Load], seconds: float) -> list[Row]:
    rows = []
    with TemporaryDirectory(prefix="streamforge-") as directory, ThrowAwayBroker(Path(directory) / "broker") as broker:
        for number, load in enumerate(chosen, 1):
            print(f"{number} of {len(chosen)}: {load.name}", file=sys.stderr, flush=True)
            rows.append(measured(load, seconds, Path(directory) / load.name, broker))
    return rows


def _chosen(arguments: Sequence[str]) -> tuple[list[Load], float]:
    every = loads()
    names = sorted({load.name for load in every} | {load.kind for load in every})
    parser = argparse.ArgumentParser(prog="streamforge bench adapters", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is measured (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help=f"one of {', '.join(names)}")
    found = parser.parse_args(arguments)
    return [load for load in every if not found.only or {load.name, load.kind} & set(found.only)], found.seconds


def measured(
    load: Load, seconds: float, directory: Path, broker: ThrowAwayBroker, warm_up_seconds: float = WARM_UP_SECONDS
) -> Row:
    """One row; what cannot be measured here says why, and the others go on."""
    try:
        return measure(load, seconds, directory, broker, warm_up_seconds)
    except (StreamForgeError, OSError, subprocess.TimeoutExpired) as error:
        return Row(load=load, figures={}, fault=(str(error) or type(error).__name__).splitlines()[0])


def measure(load: Load, seconds: float, directory: Path, broker: ThrowAwayBroker, warm_up_seconds: float) -> Row:
    """Run peer and adapter in `directory` for so long. Raises Fatal where nothing comes."""
    with Site(directory, broker) as site:
        address = str(directory / "line") if load.has_path else str(free_port())
        site.write(f"adapters/{load.kind}/bench.toml", load.toml.replace("{address}", address) + _RETRY)
        site.start("peer", "web", *(word.replace("{address}", address) for word in load.peer))
        unit = site.adapter(load.kind, "bench")
        site.wait_for("the first readings", lambda: _is_reading(site, unit), FIRST_SECONDS)
        time.sleep(warm_up_seconds)
        before = _moment(site, unit)
        time.sleep(seconds)
        after = _moment(site, unit)
        site.stop(unit)
        wire = {WIRE: _wire(site, load, seconds)} if load.is_sent else {}
    return Row(load=load, figures=_figures(load, before, after) | wire, dropped=after.dropped - before.dropped)


def _wire(site: Site, load: Load, seconds: float) -> float:
    """CPU microseconds an item from the same peer to the readings. Raises Fatal where it cannot be measured."""
    file = site.config / f"adapters/{load.kind}/bench.toml"
    words = [sys.executable, "-m", "streamforge", "bench", "wire", load.kind, str(file), str(seconds)]
    ended = subprocess.run(
        words, env=site.environment("wire", "web"), capture_output=True, text=True, check=False, timeout=FIRST_SECONDS
    )
    if ended.returncode:
        raise Fatal(f"without the log: {ended.stderr.strip().rpartition(chr(10))[2]}")
    return float(ended.stdout) * load.readings_per_item


def _is_reading(site: Site, unit: str) -> bool:
    """Readings of a peer that is not there yet are on the log before it is. Raises Fatal where a process has ended."""
    for name, process in site.processes.items():
        if process.poll() is not None:
            last = (site.output / f"{name}.log").read_text().strip().rpartition("\n")[2]
            raise Fatal(f"{name} ended: {last}")
    return bool(site.health(unit)["state"] == State.HEALTHY and _ledger(site, unit)["read"])


def _ledger(site: Site, unit: str) -> dict[str, int]:
    rows: list[dict[str, int]] = site.health(unit)["details"]["ledger"]
    return rows[-1] if rows else {"read": 0, "dropped": 0}


def _moment(site: Site, unit: str) -> _Moment:
    """The next time that the count moves. Raises Fatal when it does not."""
    pid, first = site.processes[unit].pid, _ledger(site, unit)["read"]
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        row = _ledger(site, unit)
        if row["read"] != first:
            return _Moment(at_seconds=time.monotonic(), used=usage(pid), read=row["read"], dropped=row["dropped"])
    raise Fatal(f"no readings for {STEP_SECONDS:g} s: {site.health(unit)['status']}")


def _figures(load: Load, before: _Moment, after: _Moment) -> dict[str, float]:
    seconds, readings = after.at_seconds - before.at_seconds, after.read - before.read
    items, cpu_seconds = readings / load.readings_per_item, after.used.cpu_seconds - before.used.cpu_seconds
    figures = {
        CPU: cpu_seconds / items * 1e6,
        RATE: items / seconds,
        CORE: 100 * cpu_seconds / seconds,
        RSS: after.used.rss_bytes / 1e6,
    }
    return {**figures, BUSY: 100 * load.theory_seconds * readings / seconds} if load.theory_seconds else figures


def _holds(value: float | None, bound: Bound) -> bool:
    side, limit = bound
    return value is not None and (value <= limit if side == "<=" else value >= limit)


def report(heading: str, rows: Sequence[Row]) -> str:
    """The table, ready for docs/performance.md, and behind it one line of JSON."""
    heads = ("adapter", "load", "item", *HEADS, "as wanted")
    lines = [heading, "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *map(_line, rows)]
    found = {row.load.name: {"fault": row.fault} if row.fault else dict(row.figures) for row in rows}
    return "\n".join([*lines, "", json.dumps({"heading": heading, "adapters": found})])


def _line(row: Row) -> str:
    cells = [row.load.name, row.load.what, row.load.item]
    cells += [_cell(row.figures.get(name), row.load.wanted.get(name)) for name in FIGURES]
    return f"| {' | '.join([*cells, _verdict(row)])} |"


def _verdict(row: Row) -> str:
    if row.fault:
        return f"not measured: {row.fault}"
    lost = f"; {row.dropped:,} readings had no room" if row.dropped else ""
    return (f"no: {', '.join(row.missed)}" if row.missed else "yes") + lost


def _cell(value: float | None, bound: Bound | None) -> str:
    shown = "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"
    wanted = f"({bound[0]} {bound[1]:,g})" if bound else ""
    return " ".join(part for part in (shown, wanted) if part)
