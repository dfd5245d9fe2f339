"""Alarms & Conditions (OPC 10000-9): what a server says of a condition becomes an alarm of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncua import ua

from streamforge.adapters.opcua_values import legible, time_us
from streamforge.model import Alarm, AlarmState, Severity

_CONDITION = ua.NodeId(ua.ObjectIds.ConditionType)
REFRESH = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
_REFRESH_BEGINS = ua.NodeId(ua.ObjectIds.RefreshStartEventType)
_REFRESH_ENDS = ua.NodeId(ua.ObjectIds.RefreshEndEventType)
_MODEL_CHANGES = {
    ua.NodeId(ua.ObjectIds.BaseModelChangeEventType),
    ua.NodeId(ua.ObjectIds.GeneralModelChangeEventType),
}
# The fields that are asked for, in this order: browse paths from the event's type.
_FIELDS: dict[str, tuple[int, str]] = {
    "type": (ua.ObjectIds.BaseEventType, "EventType"),
    "source": (ua.ObjectIds.BaseEventType, "SourceName"),
    "time": (ua.ObjectIds.BaseEventType, "Time"),
    "message": (ua.ObjectIds.BaseEventType, "Message"),
    "severity": (ua.ObjectIds.BaseEventType, "Severity"),
    "name": (ua.ObjectIds.ConditionType, "ConditionName"),
    "branch": (ua.ObjectIds.ConditionType, "BranchId"),
    "retain": (ua.ObjectIds.ConditionType, "Retain"),
    "user": (ua.ObjectIds.ConditionType, "ClientUserId"),
    "acked": (ua.ObjectIds.AcknowledgeableConditionType, "AckedState/Id"),
    "acked_at": (ua.ObjectIds.AcknowledgeableConditionType, "AckedState/TransitionTime"),
    "active": (ua.ObjectIds.AlarmConditionType, "ActiveState/Id"),
    "active_at": (ua.ObjectIds.AlarmConditionType, "ActiveState/TransitionTime"),
}
_LEVELS = ((250, Severity.LOW), (500, Severity.MEDIUM), (750, Severity.HIGH))


def severity_of(number: int) -> Severity:
    """The severity of 1 to 1000 in our four levels."""
    return next((severity for most, severity in _LEVELS if number <= most), Severity.CRITICAL)


def event_filter() -> ua.EventFilter:
    """The fields we read of events, the condition's own node last.

    Of all events: what servers make of a filter by type differs, and some leave subtypes out.
    """
    clauses = [
        ua.SimpleAttributeOperand(
            TypeDefinitionId=ua.NodeId(kind),
            BrowsePath=[ua.QualifiedName(name, 0) for name in path.split("/")],
            AttributeId=ua.AttributeIds.Value,
        )
        for kind, path in _FIELDS.values()
    ]
    condition = ua.SimpleAttributeOperand(TypeDefinitionId=_CONDITION, AttributeId=ua.AttributeIds.NodeId)
    return ua.EventFilter(SelectClauses=[*clauses, condition])


@dataclass(slots=True)
class Conditions:
    """The conditions of one server that stand, by alarm id; `asset_id` is whose alarms they are."""

    adapter_id: str
    asset_id: str
    standing: dict[str, Alarm] = field(default_factory=dict)
    is_model_changed: bool = False
    _seen: set[str] | None = None

    def take(self, fields: Sequence[Any], received_us: int, *, is_asked: bool = True) -> list[Alarm]:
        """What one event says (`ua.EventFieldList.EventFields`, in the order of `event_filter`).

        `is_asked` False = alarms are not wanted, only whether the server's nodes have changed.
        """
        *values, condition = [one.Value for one in fields]
        said = dict(zip(_FIELDS, values, strict=True))
        if said["type"] == _REFRESH_BEGINS:
            self._seen = set()
        elif said["type"] == _REFRESH_ENDS:
            return self._ended(received_us)
        elif said["type"] in _MODEL_CHANGES:
            self.is_model_changed = True
        elif condition is not None and is_asked:
            return self._said(said, condition, received_us)
        return []

    def _said(self, said: dict[str, Any], condition: ua.NodeId, received_us: int) -> list[Alarm]:
        alarm = self._alarm(said, condition, time_us(said["time"]) or received_us)
        if self._seen is not None:
            self._seen.add(alarm.alarm_id)
        before = self.standing.get(alarm.alarm_id)
        if alarm.state is AlarmState.CLEARED:
            self.standing.pop(alarm.alarm_id, None)
            return [alarm] if before is not None else []
        self.standing[alarm.alarm_id] = alarm
        return [] if alarm == before else [alarm]

    def _ended(self, time: int) -> list[Alarm]:
        """A refresh says all that stands: what it did not name came to its end while nobody listened."""
        seen, self._seen = self._seen, None
        gone = [] if seen is None else [alarm for key, alarm in self.standing.items() if key not in seen]
        for alarm in gone:
            del self.standing[alarm.alarm_id]
        return [replace(alarm, state=AlarmState.CLEARED, cleared_at_us=alarm.cleared_at_us or time) for alarm in gone]

    def _alarm(self, said: dict[str, Any], condition: ua.NodeId, at_us: int) -> Alarm:
        is_kept = bool(said["retain"])
        # A condition that is no alarm has no active state: it stands as long as it is of interest.
        is_active = is_kept if said["active"] is None else bool(said["active"])
        is_acked = True if said["acked"] is None else bool(said["acked"])
        key = self._key(condition, said["branch"])
        known = next((one for name, one in self.standing.items() if name.startswith(f"{key}/")), None)
        raised_us = known.raised_at_us if known else time_us(said["active_at"]) if is_active else 0
        raised_us = raised_us or at_us
        message = legible(said["message"].Text or "") if said["message"] is not None else ""
        source = legible(said["source"] or "")
        return Alarm(
            alarm_id=known.alarm_id if known else f"{key}/{raised_us}",
            asset_id=self.asset_id,
            type=legible(said["name"] or "") or source or legible(condition.to_string()),
            severity=severity_of(int(said["severity"] or 0)),
            state=_state(is_active=is_active, is_acked=is_acked, is_kept=is_kept),
            raised_at_us=raised_us,
            acked_at_us=(time_us(said["acked_at"]) or at_us) if is_acked and said["acked"] is not None else 0,
            acked_by=legible(said["user"] or "") if is_acked else "",
            cleared_at_us=0 if is_active else (time_us(said["active_at"]) or at_us),
            message=f"{source}: {message}" if source else message,
        )

    def _key(self, condition: ua.NodeId, branch: ua.NodeId | None) -> str:
        """A branch is an earlier state of its condition that still waits for somebody: an alarm of its own."""
        is_trunk = branch is None or branch.is_null()
        return legible(
            f"{self.adapter_id}/{condition.to_string()}"
            + ("" if is_trunk or branch is None else f"#{branch.to_string()}")
        )


def _state(*, is_active: bool, is_acked: bool, is_kept: bool) -> AlarmState:
    if not is_kept:
        return AlarmState.CLEARED
    if is_active:
        return AlarmState.ACKNOWLEDGED if is_acked else AlarmState.UNACKNOWLEDGED
    return AlarmState.CLEARED if is_acked else AlarmState.RETURNED_UNACKNOWLEDGED


def refresh_of(subscription_id: int) -> ua.CallMethodRequest:
    """The one method that is ever called: say again what stands. It changes nothing at the server."""
    argument = ua.Variant(subscription_id, ua.VariantType.UInt32)
    return ua.CallMethodRequest(ObjectId=_CONDITION, MethodId=REFRESH, InputArguments=[argument])
