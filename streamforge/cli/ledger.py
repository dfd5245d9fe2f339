"""`streamforge ledger`: every reading accounted for, per adapter, epoch and sink."""

import argparse

from streamforge.gateway import places
from streamforge.gateway.ledger import FIGURES, Ledger, take


def run(arguments: list[str]) -> int:
    """Print the ledger; 0 = balanced, 1 = not, or nothing to balance."""
    parser = argparse.ArgumentParser(
        prog="streamforge ledger", description="read = delivered + waiting + rejected + evicted"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object: totals, balanced, rows")
    given = parser.parse_args(arguments)
    from streamforge.cli.admin import connection

    found = take(connection(), places.runtime())
    print(found.to_json() if given.json else text(found))
    return 0 if found.balanced else 1


def text(found: Ledger) -> str:
    """A table for people."""
    lines = [f"{'adapter':<28} {'epoch':>5} {'sink':<18}" + "".join(f"{figure:>13}" for figure in FIGURES)]
    for row in found.rows:
        figures = "".join(f"{getattr(row, figure):>13}" for figure in FIGURES)
        lines.append(
            f"{row.adapter_id:<28} {row.epoch:>5} {row.sink:<18}{figures}{'' if row.balanced else '  unbalanced'}"
        )
    if not found.rows:
        return "nothing read yet, or no sink"
    return "\n".join([*lines, "balanced" if found.balanced else "NOT BALANCED: see the marked rows"])
