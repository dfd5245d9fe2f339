"""Which lines of the journal nobody has looked at yet: warnings and worse, minus the reviewed list beside this file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REVIEWED = Path(__file__).with_name("expected_journal.txt")


def reviewed(text: str) -> list[re.Pattern[str]]:
    """The patterns of the list; each covers "identifier: message"."""
    return [re.compile(line) for line in text.splitlines() if line and not line.startswith("#")]


def unexpected(entries: Iterable[dict[str, Any]]) -> list[str]:
    """ "identifier: message" of each entry that no pattern covers."""
    patterns = reviewed(REVIEWED.read_text(encoding="utf-8"))
    lines = (f"{entry.get('SYSLOG_IDENTIFIER', 'kernel')}: {entry.get('MESSAGE', '')}" for entry in entries)
    return [line for line in lines if not any(pattern.fullmatch(line) for pattern in patterns)]
