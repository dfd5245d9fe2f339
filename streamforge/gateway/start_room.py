"""What must be so before a broker is started: room on the disk, and a copy of the log of its metadata.

A full disk is waited out here: a broker would do harm, and systemd gives up after the fifth that ends.
"""

import errno
import time
from collections.abc import Callable
from pathlib import Path

from streamforge.gateway.doctor import ballast, metadata_copy
from streamforge.logs import Log

# How often a full disk is looked at.
ROOM_SECONDS = 1.0
_FULL = {errno.ENOSPC, errno.EDQUOT}
_log = Log("kafka")


def wait_for_room(kafka: Path, waits: Callable[[str], None]) -> None:
    """Return when a broker may be started on the directory `kafka`; until then `waits` hears once a second why not."""
    kafka.mkdir(parents=True, exist_ok=True)
    is_said = False
    while not _is_ready(kafka):
        seen = ballast.room(kafka)
        if not is_said:
            _log.critical("disk_full", room=str(seen), starts_at_mib=ballast.START_BYTES // 1024**2)
        is_said = True
        waits(f"the disk is full, the broker waits for room: {seen}")
        time.sleep(ROOM_SECONDS)
    if is_said:
        _log.info("disk_has_room", room=str(ballast.room(kafka)))


def _is_ready(kafka: Path) -> bool:
    """Also where the metadata cannot be copied for another reason than room: the broker is tried anyway."""
    if ballast.room(kafka).is_full:
        return False
    try:
        for finding in metadata_copy.restore(kafka):
            _log.warning("doctor_mended", file=finding.file, wrong=finding.wrong, done=finding.done)
        metadata_copy.keep(kafka)
    except OSError as error:
        if error.errno in _FULL:
            return False
        _log.warning("metadata_not_copied", reason=str(error))
    return True
