"""One parameter of an asset comes of one point, one device has one name: who writes a second one is told."""

from collections.abc import Iterable, Iterator, Sequence

from streamforge.adapters.tags import TagRow
from streamforge.config import KeyedError

Place = tuple[str | int, ...]


def placed(tags: Sequence[TagRow], tags_csv: Sequence[TagRow]) -> Iterator[tuple[Place, TagRow]]:
    """Every row of a device or topic, and where it stands in the table of that."""
    for key, rows in (("tags", tags), ("tags_csv", tags_csv)):
        for number, row in enumerate(rows):
            yield (key, number), row


def refuse_doubles(parameters: Iterable[tuple[Place, str, str]]) -> None:
    """Place, asset and parameter of each row. Raises KeyedError of the row that names one again."""
    seen: set[tuple[str, str]] = set()
    for place, asset_id, parameter in parameters:
        if (asset_id, parameter) in seen:
            msg = f"{asset_id} has two parameters named {parameter!r}"
            raise KeyedError(msg, *place, "param")
        seen.add((asset_id, parameter))


def refuse_twice(what: str, words: Sequence[str]) -> None:
    """What each device is known by. Raises ValueError where two have the same."""
    for word in words:
        if words.count(word) > 1:
            msg = f"two devices have the {what} {word!r}: whose readings would they be?"
            raise ValueError(msg)
