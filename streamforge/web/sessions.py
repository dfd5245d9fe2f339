"""Who is logged in: sessions in memory, so that a restart of the page ends them all.

The cookie holds a random token; here only its hash is kept. Time comes in as an argument (seconds, monotonic).
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass, replace

COOKIE = "__Host-streamforge"
IDLE_SECONDS = 15 * 60
ABSOLUTE_SECONDS = 12 * 3600
SESSIONS_AT_ONCE = 16
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login. `form_token` is what every form of this session must send back."""

    user: str
    form_token: str
    began_seconds: float
    seen_seconds: float

    def is_valid(self, now_seconds: float) -> bool:
        """Whether it is still open at that time."""
        is_idle = now_seconds - self.seen_seconds >= IDLE_SECONDS
        return not is_idle and now_seconds - self.began_seconds < ABSOLUTE_SECONDS


class Sessions:
    """The open sessions, at most SESSIONS_AT_ONCE: one more ends the one unused for longest. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_hash: dict[str, Session] = {}

    def open(self, user: str, now_seconds: float) -> str:
        """Begin a session; the token for the cookie."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        form_token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(user=user, form_token=form_token, began_seconds=now_seconds, seen_seconds=now_seconds)
        with self._lock:
            self._forget_old(now_seconds)
            self._by_hash[_hash(token)] = session
        return token

    def find(self, token: str, now_seconds: float, *, is_use: bool = True) -> Session | None:
        """The session of this cookie while it is valid. `is_use` = a person did something, which keeps it open."""
        with self._lock:
            session = self._by_hash.get(_hash(token))
            if session is None:
                return None
            if not session.is_valid(now_seconds):
                del self._by_hash[_hash(token)]
                return None
            if is_use:
                session = replace(session, seen_seconds=now_seconds)
                self._by_hash[_hash(token)] = session
            return session

    def close(self, token: str) -> None:
        """End the session of this cookie."""
        with self._lock:
            self._by_hash.pop(_hash(token), None)

    def close_all(self) -> None:
        """End every session: after a change of password."""
        with self._lock:
            self._by_hash.clear()

    def _forget_old(self, now_seconds: float) -> None:
        self._by_hash = {key: one for key, one in self._by_hash.items() if one.is_valid(now_seconds)}
        while len(self._by_hash) >= SESSIONS_AT_ONCE:
            del self._by_hash[min(self._by_hash, key=lambda key: self._by_hash[key].seen_seconds)]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
