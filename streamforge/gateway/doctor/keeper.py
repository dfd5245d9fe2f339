"""The doctor's part in the supervisor: what is written down while the broker starts and serves."""

import time
from pathlib import Path

from streamforge.gateway import places
from streamforge.gateway.doctor import aside, ballast, incarnation, metadata_copy, producer_ids, starts
from streamforge.gateway.doctor.copies import CopyKeeper
from streamforge.gateway.doctor.layout import strays
from streamforge.gateway.doctor.report import read_report
from streamforge.gateway.jvm_log import StartLines
from streamforge.logs import Log

# How long a topic that was just made may be without a copy of its id; the metadata log has it as well.
COPY_SECONDS = 60.0
_MIB = 1024 * 1024
_MOST_REASON_CHARACTERS = 300
_log = Log("doctor")


class Keeper:
    """Counts starts, keeps copies and says what the doctor did, in the directory `kafka`. Raises nothing but what
    `expect_allowed` does: a disk that refuses is the broker's to feel.
    """

    def __init__(self, kafka: Path) -> None:
        self.details: dict[str, object] = {}
        self.lost_topics = False  # they have to be made anew
        self.note = ""  # what belongs on the status line: logs that are kept aside
        self._kafka = kafka
        self._copies = CopyKeeper(kafka)
        self._next = 0.0
        self._complaint = ""

    def expect_allowed(self) -> None:
        """ConfigError where the doctor refused a start."""
        starts.expect_allowed(self._kafka)

    def failed(self, code: int | None, reason: str, said: StartLines) -> None:
        """A start failed; counted where its cause may lie in the log. `code`: see `starts.is_of_the_log`."""
        if not starts.is_of_the_log(code, said.lines):
            return
        why = f"{reason}: {said.first_error}" if said.first_error else reason
        try:
            number = starts.count(self._kafka, why[:_MOST_REASON_CHARACTERS])
        except OSError as error:
            self._complain("failed_start_not_counted", error)
        else:
            _log.warning("start_failed", in_a_row=number, set_aside_at=starts.MOST)

    def served(self) -> None:
        """The canary came out: the count ends, and the copies are made."""
        try:
            starts.save(self._kafka, starts.FailedStarts())
        except OSError as error:
            self._complain("failed_starts_not_reset", error)
        try:
            metadata_copy.drop(self._kafka)
        except OSError as error:
            self._complain("metadata_copy_not_dropped", error)
        self._keep_strays()
        report, kept = read_report(self._kafka), aside.listed(self._kafka)
        self.details = {
            "doctor": [str(finding) for finding in report.findings] if report else [],
            "aside": [_words(log) for log in kept],
        }
        if kept:
            numbers = ", ".join(str(log.number) for log in kept)
            size = sum(log.size_bytes for log in kept) // _MIB
            self.note = f"; logs set aside, not read: {numbers} ({size} MiB)"
        self.look()

    def _keep_strays(self) -> None:
        """Positions in topics that the broker lost sight of mean nothing in those that take their place."""
        lost = [path.name for path in strays(self._kafka / "data")]
        if not lost:
            return
        _log.critical("broker_lost_topics", partitions=lost, kept="set aside at the next start")
        self.lost_topics = True
        try:
            incarnation.keep_strays(self._kafka, places.runtime())
        except OSError as error:
            self._complain("incarnation_not_opened", error)

    def look(self) -> None:
        """Once a minute at most: new copies where a file is new, and a new ballast where there is room again."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + COPY_SECONDS
        try:
            self._copies.look()
            producer_ids.keep(self._kafka)
        except OSError as error:
            self._complain("copies_not_written", error)
        else:
            self._complaint = ""
        self._make_ballast()

    def _make_ballast(self) -> None:
        """The disk may be full a second time before there is a next start."""
        try:
            for finding in ballast.make(self._kafka, ballast.room(self._kafka)):
                _log.info("doctor_ballast", file=finding.file, wrong=finding.wrong, done=finding.done)
        except OSError as error:
            self._complain("ballast_not_made", error)

    def _complain(self, event: str, error: OSError) -> None:
        """Once, until it is well again."""
        if event != self._complaint:
            _log.warning(event, reason=str(error))
        self._complaint = event


def _words(log: aside.AsideLog) -> str:
    return f"aside/{log.number}, {log.size_bytes // _MIB} MiB: {log.reason}"
