"""Whether the broker is there, as one unit sees it; a change is one journal line, however often it is noted."""

from streamforge.logs import Log


class Presence:
    """`reason` says why the broker is away, "" while it is there. The first connection is no news."""

    def __init__(self, log: Log, bootstrap: str) -> None:
        self.reason = "not tried yet"
        self._log = log
        self._bootstrap = bootstrap
        self._is_away_said = False

    def note(self, reason: str) -> None:
        """It is away for this reason, or there (no reason)."""
        self.reason = reason
        if bool(reason) == self._is_away_said:
            return
        self._is_away_said = bool(reason)
        if reason:
            self._log.warning("broker_away", bootstrap=self._bootstrap, reason=reason)
        else:
            self._log.info("broker_back", bootstrap=self._bootstrap)
