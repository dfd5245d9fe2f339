"""What the doctor did, as events: into the spool, for the broker is not up yet when it is done."""

import os
import secrets
from collections.abc import Iterable

from streamforge.clock import now_us
from streamforge.gateway.doctor import ballast
from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.event_spool import EventSpool
from streamforge.incarnations import FILE as INCARNATIONS
from streamforge.logs import Log
from streamforge.model import Event, Severity

TYPE, SOURCE = "log_mended", "kafka-doctor"
_log = Log("doctor")


def spool(findings: Iterable[Finding], into: EventSpool) -> None:
    """One event for each finding that somebody should know of later; what the disk does not take is said."""
    told = [finding for finding in findings if _is_told(finding)]
    run = secrets.token_hex(4)  # never a time: the clock may be that of 1970
    for number, finding in enumerate(told, 1):
        try:
            is_put = into.put(_event(finding, f"{run}-{number}"))
            reason = "" if is_put else "the event spool is full"
        except OSError as error:
            reason = str(error)
        if reason:
            _log.warning("event_not_spooled", file=finding.file, reason=reason)


def _is_told(finding: Finding) -> bool:
    """Not an incarnation, which streamforge-reconcile tells with what it cost, and not a ballast that was made."""
    is_routine = finding.file == ballast.FILE and not finding.is_grave
    return finding.file != INCARNATIONS and not is_routine


def _event(finding: Finding, name: str) -> Event:
    host = os.uname().nodename
    return Event(
        event_id=f"{TYPE}/{host}/{name}",
        asset_id=host,
        type=TYPE,
        severity=Severity.HIGH if finding.is_grave else Severity.MEDIUM,
        time_us=now_us(),
        message=f"Before the broker started: {finding}.",
        source=SOURCE,
        details={"file": finding.file, "wrong": finding.wrong, "done": finding.done},
    )
