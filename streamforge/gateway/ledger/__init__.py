"""Accounts for every reading: per adapter, epoch and sink, read = delivered + waiting + rejected + evicted."""

from streamforge.gateway.ledger.rows import FIGURES, Ledger, Row
from streamforge.gateway.ledger.take import Question, take, taken
from streamforge.gateway.ledger.units import AdapterCount, Said, configured_sinks, noted_progress

__all__ = [
    "FIGURES", "AdapterCount", "Ledger", "Question", "Row", "Said",
    "configured_sinks", "noted_progress", "take", "taken",
]  # fmt: skip
