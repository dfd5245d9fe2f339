"""The newest progress mark that can be read in an output topic; outputs beyond it are damaged or not of a stage."""

from streamforge.bus.reader import Reader
from streamforge.progress import Partition
from streamforge.transforms.marks import Mark, read_mark

FEW_RECORDS = 1


def last_mark(reader: Reader, place: Partition) -> tuple[Mark | None, int]:
    """The mark of the newest record that has one, and the offset after that record: the two belong together.

    None and the end of the partition where no record has one. Raises NotConnected.
    """
    end = reader.ends([place])[place]
    for stretch in reader.backwards(place, FEW_RECORDS):
        found = None
        for fetched in stretch:
            mark = read_mark(fetched.headers)
            found = (mark, fetched.offset + 1) if mark is not None else found
        if found is not None:
            return found
    return None, end
