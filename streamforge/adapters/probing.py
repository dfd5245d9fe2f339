"""What a probe of any protocol finds, for a person before the cabinet: tables, and a configuration to start from.

The terminal prints them, the page will show them. A module `<protocol>_probe` has `add_arguments(parser)` and
`async probe(given) -> Finding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under a title; every row has a cell for each column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """For a terminal, columns below each other."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        padded = [
            _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.title, *padded])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, in words and tables, and a ready configuration of it; `toml` empty = nothing to configure."""

    summary: str
    tables: Sequence[Table] = ()
    toml: str = ""

    def text(self) -> str:
        """For a terminal."""
        return "\n\n".join([self.summary, *(table.text() for table in self.tables)])
