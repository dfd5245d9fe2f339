"""What was read of folders, read anew only where a folder has changed: for Kafka's log, looked at again and again."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A folder's content as it was read, and the folder's time then."""

    time_ns: int
    content: T
    is_settled: bool


class Listings(Generic[T]):
    """Folders by path, each read by the same function.

    The clock of files stands still for some milliseconds, so an entry may come after a reading and leave the folder's
    time as it was: a reading counts for good only when it was repeated at the next look.
    """

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._known: dict[Path, Listing[T]] = {}

    def look(self, path: Path) -> Listing[T]:
        """As read before, unless the folder changed. Raises OSError."""
        time_ns = path.stat().st_mtime_ns
        before = self._known.get(path)
        is_same = before is not None and before.time_ns == time_ns
        if before is not None and is_same and before.is_settled:
            return before
        self._known[path] = Listing(time_ns=time_ns, content=self._read(path), is_settled=is_same)
        return self._known[path]

    def forget_all_but(self, paths: Collection[Path]) -> None:
        """Folders that are gone."""
        for path in self._known.keys() - set(paths):
            del self._known[path]
