"""The `data_loss` events: one for an incarnation of the log, and one for each count that later became exact."""

import os
from collections.abc import Sequence

from streamforge.clock import now_us
from streamforge.gateway.cut_losses import Loss
from streamforge.gateway.reconciled import Open
from streamforge.incarnations import Incarnation
from streamforge.model import Event, Severity

SOURCE = "streamforge-reconcile"


def loss_event(opened: Incarnation, found: Sequence[Loss] | None) -> Event:
    """What an incarnation cost; the same one always gives the same event_id. None: a later event counts it."""
    ends = ", ".join(f"{place.topic}/{place.number}={offset}" for place, offset in sorted(opened.firsts.items()))
    details = {"incarnation": str(opened.number), "reason": opened.reason, "ends": ends}
    if found is not None and (found or not opened.is_kept_aside):
        details |= {
            "readings_at_least": str(sum(loss.at_least for loss in found)),
            "readings_at_most": str(sum(loss.at_most for loss in found)),
            "adapters": ", ".join(map(str, found)),
        }
    return Event(
        event_id=_event_id(opened.number),
        asset_id=os.uname().nodename,
        type="data_loss",
        severity=Severity.HIGH,
        time_us=opened.opened_at_us,
        message=_message(opened, found),
        source=SOURCE,
        details=details,
    )


def exact_event(one: Open, hole: int) -> Event:
    """The count of an epoch whose next record is there now; its id is that of the cut's event and the epoch."""
    name = f"{one.adapter_id}/{one.epoch}"
    return Event(
        event_id=f"{_event_id(one.incarnation)}/{name}",
        asset_id=os.uname().nodename,
        type="data_loss",
        severity=Severity.HIGH,
        time_us=now_us(),
        message=f"Exactly {hole} readings of {name} are missing where incarnation {one.incarnation} of the log begins.",
        source=SOURCE,
        details={
            "incarnation": str(one.incarnation),
            "reason": "a later record shows what is missing",
            "readings_at_least": str(hole),
            "readings_at_most": str(hole),
            "adapters": f"{name}={hole}",
        },
    )


def _event_id(number: int) -> str:
    return f"data_loss/{os.uname().nodename}/{number}"


def _message(opened: Incarnation, found: Sequence[Loss] | None) -> str:
    if opened.is_fresh:
        return f"The log begins anew: {opened.reason}. What the one before held and no sink has is not in this one."
    if opened.is_kept_aside:
        return f"Topics begin anew: {opened.reason}. What they held is kept aside and not read any more."
    if found is None:
        return f"The log was cut: {opened.reason}. What it cost is counted with the next incarnation."
    return f"The log was cut: {opened.reason}. {_lost(found)}; alarms and events are all there."


def _lost(found: Sequence[Loss]) -> str:
    at_least, at_most = sum(loss.at_least for loss in found), sum(loss.at_most for loss in found)
    if not at_most:
        return "No reading is lost"
    if at_least == at_most:
        return f"Exactly {at_most} readings are lost"
    return f"At least {at_least} and at most {at_most} readings are lost"
