"""The end of each partition, which a broker believes at a start without checking (`codec/segment_end.py`).

Seen with Kafka 4.2.2 after an orderly stop: where a base offset was made smaller, or a length leads nowhere, it ends
its log before that batch and gives those offsets out a second time; with magic 0, or zeros at the end, it does not
start. What the CRCs prove is set right. Where nothing proves what follows, the segment is kept aside and ends there,
and a new incarnation begins.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamforge.codec.log_batches import HEADER
from streamforge.codec.segment_end import EndBatch, SegmentEnd, read_end
from streamforge.codec.segments import segments
from streamforge.gateway.doctor import aside
from streamforge.gateway.doctor.incarnation import STOPPED_IN_ORDER
from streamforge.gateway.doctor.layout import number_of, partitions, topic_of
from streamforge.gateway.doctor.report import Finding
from streamforge.progress import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """The newest segment of a partition that holds anything."""

    partition: Path
    segment: Path
    end: SegmentEnd

    @property
    def file(self) -> str:
        """Its name below the directory `kafka`."""
        return f"data/{self.partition.name}/{self.segment.name}"


def mend(data: Path) -> list[Finding]:
    """Set right what the headers at the end of each partition of the log directory say. Raises OSError."""
    return [
        Finding(file=newest.file, wrong=f"byte {one.position}: {wrong}", done="set right, as the checksum proves")
        for newest in _all(data)
        for one, wrong in _mended(newest)
    ]


def broken(data: Path) -> dict[Partition, int]:
    """Where partitions end whose last bytes are no batch although the broker stopped in order: the next offset.

    After any other stop Kafka looks by itself. Raises OSError.
    """
    return {Partition(topic_of(one.partition), number_of(one.partition)): one.end.next_offset for one in _broken(data)}


def cut(kafka: Path) -> list[Finding]:
    """Keep such segments aside and end them there, so that what is appended can be read. Raises OSError."""
    found = []
    for one in _broken(kafka / "data"):
        log = aside.keep_copy(kafka, one.file, f"{one.file} is damaged from byte {one.end.whole_bytes} on")
        for suffix in (".index", ".timeindex"):  # Kafka would begin at their last entry; it makes them anew
            one.segment.with_suffix(suffix).unlink(missing_ok=True)
        os.truncate(one.segment, one.end.whole_bytes)
        lost = one.end.size_bytes - one.end.whole_bytes
        done = f"ends there, at offset {one.end.next_offset}; the file as it was is kept in aside/{log.number}"
        found.append(Finding(file=one.file, wrong=f"the last {lost} bytes are no batch", done=done, is_grave=True))
    return found


def _broken(data: Path) -> list[_Newest]:
    if not (data / STOPPED_IN_ORDER).exists():
        return []
    return [newest for newest in _all(data) if newest.end.whole_bytes < newest.end.size_bytes]


def _all(data: Path) -> Iterator[_Newest]:
    for partition in partitions(data):
        paths = segments(partition)
        if paths and paths[-1].stat().st_size:
            yield _Newest(partition=partition, segment=paths[-1], end=read_end(paths[-1]))


def _mended(newest: _Newest) -> Iterator[tuple[EndBatch, str]]:
    """What was written anew, and what stood there."""
    wrong = [(one, _differences(one)) for one in newest.end.batches if one.said != one.right]
    if not wrong:
        return
    with newest.segment.open("r+b") as file:
        for one, _ in wrong:
            file.seek(one.position)
            file.write(HEADER.pack(*one.right))
        file.flush()
        os.fsync(file.fileno())
    yield from wrong


def _differences(one: EndBatch) -> str:
    pairs = zip(one.said._fields, one.said, one.right, strict=True)
    return ", ".join(f"{name.replace('_', ' ')} {said} for {right}" for name, said, right in pairs if said != right)
