"""`streamforge ledger`: every reading accounted for, per adapter, epoch and sink."""

import argparse
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime

from streamforge.clock import now_us
from streamforge.config.build import nearest
from streamforge.errors import ConfigError, Fault
from streamforge.gateway import ledger, places
from streamforge.gateway.ledger import FIGURES, AdapterCount, Found, Ledger, Row, Said, Window

NOTHING = "nothing read yet, or no sink"
_DURATION = re.compile(r"(\d+)(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def run(arguments: list[str]) -> int:
    """Print the ledger; 0 = balanced, 1 = not, or nothing to balance."""
    parser = argparse.ArgumentParser(
        prog="streamforge ledger", description="read = delivered + waiting + rejected + evicted"
    )
    parser.add_argument("--since", metavar="WHEN", help="readings since then: 90s, 15min, 2h, 7d, or 2026-11-27T06:00")
    parser.add_argument("--asset", metavar="NAME", help="readings of this asset alone")
    parser.add_argument("--json", action="store_true", help="one JSON object: totals, balanced, rows")
    given = parser.parse_args(arguments)
    window = Window(since_us=since(given.since, now_us()) if given.since else 0, asset=given.asset or "")
    return _window(window, is_json=given.json) if given.since or given.asset else _whole(is_json=given.json)


def _whole(*, is_json: bool) -> int:
    from streamforge.cli.admin import connection

    found = ledger.taken(connection(), _question())[0]
    print(found.to_json() if is_json else text(found))
    return 0 if found.balanced else 1


def _window(window: Window, *, is_json: bool) -> int:
    from streamforge.cli.admin import connection

    found = ledger.take_window(connection(), _question(), window)
    if window.asset and window.asset not in found.assets:
        raise ConfigError([_unknown_asset(window, found)])
    whole = Ledger(rows=found.rows)
    print(window_json(whole, found) if is_json else window_text(whole, found, window))
    return 0 if found.rows else 1


def _question() -> ledger.Question:
    return ledger.Question(
        directory=places.runtime(),
        before=Said(adapters=_noted_epochs(), sinks=ledger.noted_progress(places.root() / "state")),
        configured=ledger.configured_sinks(places.configuration()),
    )


def _noted_epochs() -> dict[tuple[str, int], AdapterCount]:
    """What adapters noted on disk: for those that do not run."""
    from streamforge.adapters.epochs import noted

    return {
        (adapter, one.epoch): AdapterCount(read=one.read, dropped=one.dropped, incarnation=one.incarnation)
        for adapter, counts in noted(places.root() / "state").items()
        for one in counts
    }


def _unknown_asset(window: Window, found: Found) -> Fault:
    where = "in this window" if window.since_us else "on the log"
    hint = nearest(window.asset, found.assets) or f"known: {', '.join(sorted(found.assets)) or 'none'}"
    return Fault(file="--asset", message=f'no reading of asset "{window.asset}" {where}', hint=hint)


def since(word: str, now: int) -> int:
    """The moment in microseconds: so long before `now`, or a date with time (UTC unless it names a zone).

    Raises ConfigError.
    """
    if match := _DURATION.fullmatch(word.strip()):
        return now - int(match[1]) * _SECONDS[match[2]] * 1_000_000
    try:
        moment = datetime.fromisoformat(word.strip())
    except ValueError:
        hint = "a duration such as 90s, 15min, 2h or 7d, or a time such as 2026-11-27T06:00"
        raise ConfigError([Fault(file="--since", message=f'"{word}" is no duration and no time', hint=hint)]) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def text(found: Ledger) -> str:
    """A table for people."""
    if not found.rows:
        return NOTHING
    return "\n".join([_table(found), "balanced" if found.balanced else "NOT BALANCED: see the marked rows"])


def _table(found: Ledger) -> str:
    lines = [f"{'adapter':<28} {'epoch':>5} {'sink':<18}" + "".join(f"{figure:>13}" for figure in FIGURES)]
    for row in found.rows:
        figures = "".join(f"{getattr(row, figure):>13}" for figure in FIGURES)
        lines.append(f"{row.adapter_id:<28} {row.epoch:>5} {row.sink:<18}{figures}{_remark(row)}")
    return "\n".join(lines)


def _remark(row: Row) -> str:
    unbalanced = "unbalanced" if row.is_judged and not row.balanced else ""
    remark = "; ".join(part for part in (unbalanced, row.note) if part)
    return f"  {remark}" if remark else ""


def window_text(whole: Ledger, found: Found, window: Window) -> str:
    """The table of a window, and how far back the log reaches in it."""
    asked = " ".join(
        [f"of {window.asset}"] * bool(window.asset) + [f"since {_utc(window.since_us)}"] * bool(window.since_us)
    )
    if not whole.rows:
        return f"no reading {asked} stands on the log, or no sink is there"
    reach = f"counted from what the log holds {asked}: its oldest reading there is of {_utc(found.oldest_us)}"
    return f"{_table(whole)}\n{reach}"


def window_json(whole: Ledger, found: Found) -> str:
    """One JSON object: totals, since when the log holds readings, rows."""
    rows = [asdict(row) for row in whole.rows]
    return json.dumps({**whole.totals(), "oldest_us": found.oldest_us, "rows": rows})


def _utc(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
