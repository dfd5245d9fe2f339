"""From tag rows to a device as the runner sees it: for protocols whose rows are read as they stand."""

from collections.abc import Sequence

from streamforge.adapters.base import EVERY_READING, Device
from streamforge.adapters.tags import TagRow, rule_of, signal_rule
from streamforge.model import Kind, names


def device_of(
    rows: Sequence[TagRow], kinds: Sequence[Kind], *, key: str, asset_id: str, interval_seconds: float, address: str
) -> Device:
    """One device whose columns stand in the order of the rows, one kind each; `address` is its peer, too."""
    rules, signals = tuple(rule_of(row) for row in rows), tuple(signal_rule(row) for row in rows)
    return Device(
        key=key,
        asset_id=asset_id,
        interval_seconds=interval_seconds,
        names=names(tuple(row.param for row in rows), tuple(row.unit for row in rows), bytes(kinds)),
        rules=() if all(rule == EVERY_READING for rule in rules) else rules,
        signals=signals if any(signals) else (),
        peer=address,
        address=address,
    )
