"""Topics' retention at the broker, with the loans between them: for the helper process and `streamforge topics`."""

from collections.abc import Mapping

from streamforge.bus.admin import Admin

KEY = "retention.bytes"


def set_retention(admin: Admin, wanted: Mapping[str, int]) -> None:
    """Lower first, then raise: their sum is never more than it may be, whenever this process ends."""
    held = {topic: int(value) for topic, value in admin.settings(tuple(wanted), KEY).items()}
    for is_raised in (False, True):
        changes = {
            topic: str(size)
            for topic, size in wanted.items()
            if size != held[topic] and (size > held[topic] >= 0) is is_raised
        }
        admin.set_setting(KEY, changes)


def with_loans(table: Mapping[str, int], held: Mapping[str, int]) -> Mapping[str, int]:
    """Topic -> retention that may stand: as it is held where these are the table's bytes, lent among the topics."""
    is_lent = held.keys() == table.keys() and sum(held.values()) == sum(table.values()) and min(held.values()) > 0
    return held if is_lent else table
