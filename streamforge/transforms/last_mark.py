"""The newest progress mark that can be read in an output topic; outputs beyond it are damaged or not of a stage."""

from streamforge.bus.reader import Reader
from streamforge.progress import Partition
from streamforge.transforms.marks import Mark, read_mark

FEW_RECORDS = 1


def last_mark(reader: Reader, place: Partition) -> Mark | None:
    """The mark of the newest record that has one; None where no record of the partition has. Raises NotConnected."""
    for stretch in reader.backwards(place, FEW_RECORDS):
        found = None
        for fetched in stretch:
            found = read_mark(fetched.headers) or found
        if found is not None:
            return found
    return None
