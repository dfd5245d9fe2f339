"""Wait until the disk holds what was written: the client of `streamforge-syncd`.

For whoever hands on what is in the log and cannot keep its place in its target: it may call its place done only when
the log up to there survives a power cut.
"""

import json
from pathlib import Path

from streamforge.errors import NotConnected
from streamforge.health import RUN_DIRECTORY, ask

UNIT = "streamforge-syncd"


def wait(since_ns: int, timeout_seconds: float, directory: Path = RUN_DIRECTORY) -> None:
    """Return when a sync of the data partition that began at or after `since_ns` has ended well.

    `since_ns` is `time.monotonic_ns()` of any process of this machine, read after the writes that matter. The unit
    itself gives up after 10 s, whatever the timeout. Raises NotConnected with the reason where it cannot be said that
    the disk has them: no sync in time, a disk that refused to write, or the unit is not there.
    """
    try:
        answer = json.loads(ask(directory / f"{UNIT}.sock", f"/barrier?since={since_ns}", timeout_seconds))
    except TimeoutError as error:
        msg = f"no disk barrier within {timeout_seconds:g} s"
        raise NotConnected(msg) from error
    except (OSError, ValueError) as error:
        msg = f"no disk barrier: {error}"
        raise NotConnected(msg) from error
    if "barrier_ns" not in answer:
        msg = f"no disk barrier: {answer.get('error', 'the answer is not understood')}"
        raise NotConnected(msg)
