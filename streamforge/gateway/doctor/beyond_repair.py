"""What is done when the log cannot be mended: three starts in a row failed, or the file without which none is tried.

A fresh log that fails as often is no better: the one before it comes back, once, and nothing is moved any more until
the broker has served.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from streamforge.gateway.doctor import aside, ballast
from streamforge.gateway.doctor.files import Kind
from streamforge.gateway.doctor.remedies import LEFT
from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.doctor.starts import FailedStarts, load, save

NEVER_SERVED = "a fresh log that never served"


def after_failed_starts(kafka: Path) -> list[Finding]:
    """Set the log aside, bring it back, refuse, or nothing; what was done. Raises OSError."""
    starts = replace(load(kafka), refused="")  # what was refused at the last start is judged again
    save(kafka, starts)
    if not starts.is_enough or starts.is_returned:
        return []
    if not (kafka / aside.DATA).exists():
        # The power went between the move and the count: what is formatted now has not failed yet.
        moved = [log.number for log in aside.listed(kafka) if log.starts]
        save(kafka, FailedStarts(aside=max(moved, default=0)))
        return []
    if starts.aside:
        return _bring_back(kafka, starts)
    return _set_aside(kafka, starts, f"the broker did not start {len(starts.reasons)} times in a row")


def after_mending(kafka: Path, findings: Iterable[Finding]) -> list[Finding]:
    """Set the log aside at once where its meta.properties is lost: nothing would start it. Raises OSError."""
    if not any(finding.file == Kind.META_PROPERTIES and finding.done == LEFT for finding in findings):
        return []
    return _set_aside(kafka, load(kafka), "meta.properties is lost and nothing else has what stood in it")


def after_strays(kafka: Path) -> list[Finding]:
    """Keep what the broker lost sight of in an earlier life. Raises OSError."""
    log = aside.keep_strays(kafka)
    if log is None:
        return []
    return [Finding(file=aside.DATA, wrong=log.reason, done=f"moved to aside/{log.number} and kept", is_grave=True)]


def _set_aside(kafka: Path, starts: FailedStarts, reason: str) -> list[Finding]:
    """Move the log to `aside/<n>`: the supervisor finds none and formats a fresh one, for which there must be room."""
    seen = ballast.room(kafka)
    if seen.free_bytes < ballast.LEAST_FREE_BYTES:
        refused = f"{reason}, and there is no room for a fresh log: {seen}"
        save(kafka, replace(starts, refused=refused))
        return [Finding(file=aside.DATA, wrong=refused, done="kafka.service does not start", is_grave=True)]
    log = aside.set_aside(kafka, reason, starts.reasons)
    save(kafka, FailedStarts(aside=log.number if starts.is_enough else 0))
    wrong = f"{reason}: {starts.reasons[-1]}" if starts.reasons else reason
    done = f"moved to aside/{log.number} and kept; a fresh log is made"
    return [Finding(file=aside.DATA, wrong=wrong, done=done, is_grave=True)]


def _bring_back(kafka: Path, starts: FailedStarts) -> list[Finding]:
    if starts.aside not in {log.number for log in aside.listed(kafka)}:
        return []  # a person has removed it
    aside.set_aside(kafka, NEVER_SERVED, starts.reasons)
    aside.bring_back(kafka, starts.aside)
    save(kafka, FailedStarts(aside=starts.aside, is_returned=True))
    wrong = f"a fresh log did not start either, so the log is not the cause: {starts.reasons[-1]}"
    done = f"aside/{starts.aside} is back in its place; from here on a person has to look"
    return [Finding(file=aside.DATA, wrong=wrong, done=done, is_grave=True)]
