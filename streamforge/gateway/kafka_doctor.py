"""`streamforge doctor`: before every start of the broker, as user kafka; docs/kafka-doctor.md.

A list of steps, each of which says in one line what it did. None keeps the broker from being tried: what a step cannot
do is said, and the next one follows. Only a broker that runs is left alone.
"""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from streamforge import logs
from streamforge.gateway import places
from streamforge.gateway.doctor import (
    ballast,
    beyond_repair,
    copies,
    events,
    incarnation,
    metadata_copy,
    producer_ids,
    remedies,
    starts,
)
from streamforge.gateway.doctor.report import Finding, boot_id, write_report
from streamforge.gateway.event_spool import EventSpool, place
from streamforge.logs import Log
from streamforge.service import EXIT_FATAL, EXIT_STOPPED

Step = Callable[[Path], list[Finding]]
_log = Log("doctor")


def main() -> int:
    """Look after the directory `kafka` of this gateway; 0 also where there was much to do, 1 = a broker runs."""
    logs.set_up()
    kafka = places.root() / "kafka"
    if is_running(kafka):
        _log.error("doctor_refused", reason="the broker runs")
        return EXIT_FATAL
    findings = list(examine(kafka))
    try:
        write_report(kafka, findings)
    except OSError as error:
        _log.error("doctor_report_not_written", reason=str(error))
    events.spool(findings, EventSpool(place(places.root())))
    return EXIT_STOPPED


def examine(kafka: Path) -> Iterator[Finding]:
    """Every step in order, each finding said as it comes."""
    for step in STEPS:
        try:
            found = step(kafka)
        except OSError as error:
            found = [Finding(file=step.__name__, wrong=str(error), done="the broker is tried anyway", is_grave=True)]
        for finding in found:
            say(finding)
            yield finding


def say(finding: Finding) -> None:
    """One line of the journal."""
    fields = {"file": finding.file, "wrong": finding.wrong, "done": finding.done}
    if finding.is_grave:
        _log.critical("doctor_grave", **fields)
    elif finding.file == ballast.FILE:
        _log.info("doctor_ballast", **fields)
    else:
        _log.warning("doctor_mended", **fields)


def is_running(kafka: Path) -> bool:
    """Whether a broker holds the lock that Kafka takes on its log directory (a POSIX lock, by FileLock.java)."""
    try:
        with (kafka / "data" / ".lock").open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no log yet, or one of which nothing can be read
    return False


def release_ballast(kafka: Path) -> list[Finding]:
    """First, for every other step writes."""
    return ballast.release(kafka, ballast.room(kafka))


def set_aside(kafka: Path) -> list[Finding]:
    """The log, after the third start that failed."""
    return beyond_repair.after_failed_starts(kafka)


def restore_metadata(kafka: Path) -> list[Finding]:
    """What a start on a full disk emptied; before the partitions that the broker lost sight of are set aside."""
    return metadata_copy.restore(kafka)


def keep_strays(kafka: Path) -> list[Finding]:
    """What the broker took out of its log; not while its metadata shall come back and there was no room for it."""
    if metadata_copy.is_lost(kafka):
        return []
    return beyond_repair.after_strays(kafka)


def mend_files(kafka: Path) -> list[Finding]:
    """The small files of a log that is there."""
    data = kafka / "data"
    if not data.is_dir() or not any(data.iterdir()):
        return []
    found = remedies.treat(data, copies.load(kafka), is_suspicious=bool(starts.load(kafka).reasons))
    return [*found, *beyond_repair.after_mending(kafka, found)]


def mend_ends(kafka: Path) -> list[Finding]:
    """The end of each partition; before an incarnation is opened where the log ends."""
    from streamforge.gateway.doctor import newest  # with the codec, which the supervisor shall not carry

    return newest.mend(kafka / "data") if (kafka / "data").is_dir() else []


def keep_incarnation(kafka: Path) -> list[Finding]:
    """Before the broker gives offsets out again."""
    from streamforge.gateway.doctor import newest

    return incarnation.keep(kafka, places.runtime(), boot_id(), lambda: newest.broken(kafka / "data"))


def cut_ends(kafka: Path) -> list[Finding]:
    """What cannot be set right there; after an incarnation says where the log ends."""
    from streamforge.gateway.doctor import newest

    return newest.cut(kafka)


def keep_producer_ids(kafka: Path) -> list[Finding]:
    """Before the broker cuts a damaged metadata log."""
    producer_ids.keep(kafka)
    return []


def make_ballast(kafka: Path) -> list[Finding]:
    """Last, with the room that is left."""
    return ballast.make(kafka, ballast.room(kafka))


STEPS: tuple[Step, ...] = (
    release_ballast,
    set_aside,
    restore_metadata,
    keep_strays,
    mend_files,
    mend_ends,
    keep_producer_ids,
    keep_incarnation,
    cut_ends,
    make_ballast,
)
