"""The page's password: where it stands, how often it may be tried, how it is changed."""

import threading
from enum import Enum, auto
from pathlib import Path

from streamforge.durable import write_durably
from streamforge.gateway.passwords import make_hash, verify

USER = "admin"
HASH_FILE = "admin-password-hash"
LEAST_LENGTH, MOST_LENGTH = 12, 128
LONGEST_WAIT_SECONDS = 60.0
# From wherever: it slows guessing from many addresses, and does not let one of them keep the owner out.
LONGEST_USER_WAIT_SECONDS = 2.0
_FORGET_SECONDS = 15 * 60.0
_REMEMBERED = 1024


class Waits:
    """How long one key (account, address) must wait after wrong passwords: 1 s, doubled each time up to the most."""

    def __init__(self, most_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._failures: dict[str, tuple[int, float]] = {}

    def left_seconds(self, key: str, now_seconds: float) -> float:
        """Seconds until this key may try again; 0 = now."""
        count, last = self._failures.get(key, (0, 0.0))
        if count == 0 or now_seconds - last > _FORGET_SECONDS:
            return 0.0
        return max(0.0, last + min(self._most_seconds, 2.0 ** (min(count, 30) - 1)) - now_seconds)

    def failed(self, key: str, now_seconds: float) -> None:
        """Count one wrong password."""
        count, last = self._failures.pop(key, (0, 0.0))
        if now_seconds - last > _FORGET_SECONDS:
            count = 0
        self._failures[key] = (count + 1, now_seconds)
        while len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def passed(self, key: str) -> None:
        """Forget the wrong ones."""
        self._failures.pop(key, None)


class PasswordStore:
    """The hash in force: the changed one in the unit's own state, else the first one from its credentials."""

    def __init__(self, *, credentials: Path, state: Path) -> None:
        self._first, self._changed = credentials / HASH_FILE, state / HASH_FILE

    def is_first(self) -> bool:
        """Whether the password from the first boot is still the one in force."""
        return not self._changed.exists()

    def current(self) -> str:
        """The line to verify against. Raises OSError where there is none."""
        return (self._first if self.is_first() else self._changed).read_text()

    def change(self, password: str) -> None:
        """Put a new one in force, whole or not at all. Raises OSError."""
        write_durably(self._changed, f"{make_hash(password)}\n".encode())


class Verdict(Enum):
    """What came of a try."""

    RIGHT = auto()
    WRONG = auto()
    WAIT = auto()
    UNREADABLE = auto()


class Gate:
    """Tries one password at a time: guessing in parallel gains nothing, and scrypt's memory is needed once."""

    def __init__(self, store: PasswordStore) -> None:
        self.store = store
        self._by_user = Waits(LONGEST_USER_WAIT_SECONDS)
        self._by_address = Waits()
        self._lock = threading.Lock()

    def attempt(self, user: str, password: str, address: str, now_seconds: float) -> tuple[Verdict, float]:
        """The verdict, and the seconds to wait before the next try."""
        kept = ((self._by_user, USER if user == USER else "other"), (self._by_address, address))
        with self._lock:
            left_seconds = max(waits.left_seconds(key, now_seconds) for waits, key in kept)
            if left_seconds > 0:
                return Verdict.WAIT, left_seconds
            try:
                is_right = verify(password[:MOST_LENGTH], self.store.current()) and user == USER
            except (OSError, ValueError):
                return Verdict.UNREADABLE, 0.0
            for waits, key in kept:
                waits.passed(key) if is_right else waits.failed(key, now_seconds)
            left_seconds = max(waits.left_seconds(key, now_seconds) for waits, key in kept)
            return (Verdict.RIGHT if is_right else Verdict.WRONG), left_seconds


def weakness(password: str, old: str) -> str:
    """What is wrong with a new password, in a sentence; "" = nothing."""
    if len(password) < LEAST_LENGTH:
        return f"Take at least {LEAST_LENGTH} characters; a sentence is good."
    if len(password) > MOST_LENGTH:
        return f"Take at most {MOST_LENGTH} characters."
    if password == old:
        return "Take a password that is not the old one."
    if len(set(password.lower())) < 5:
        return "Take more different characters."
    return ""
