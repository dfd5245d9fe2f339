"""Accounts for every reading: per adapter, epoch and sink, read = delivered + waiting + rejected + evicted."""

from streamforge.gateway.ledger.rows import FIGURES, Ledger, Row
from streamforge.gateway.ledger.take import Question, take, taken
from streamforge.gateway.ledger.units import AdapterCount, Said, configured_sinks, noted_progress
from streamforge.gateway.ledger.window import Found, Window, take_window

__all__ = [
    "FIGURES", "AdapterCount", "Found", "Ledger", "Question", "Row", "Said", "Window",
    "configured_sinks", "noted_progress", "take", "take_window", "taken",
]  # fmt: skip
