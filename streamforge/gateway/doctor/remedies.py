"""Look at every small file of a log directory and make good what is damaged: from a copy, anew, or by leaving it out.

What Kafka does without a file was tried with the broker (docs/kafka-doctor.md): quorum-state and the checkpoints of
offsets and of leader epochs it makes anew, without bootstrap.checkpoint it starts. A topic without its id it takes for
a stray: it would make an empty one in its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamforge.durable import sync_directory, write_durably
from streamforge.gateway.broker_format import cluster_id
from streamforge.gateway.doctor import metadata_log
from streamforge.gateway.doctor.copies import Contents, belong
from streamforge.gateway.doctor.files import (
    METADATA_TOPIC_ID,
    NODE_ID,
    OFFSET_CHECKPOINTS,
    Kind,
    fault,
    partition_metadata,
)
from streamforge.gateway.doctor.layout import METADATA_PARTITION, partitions, snapshots, topic_of
from streamforge.gateway.doctor.report import Finding
from streamforge.gateway.doctor.snapshots import BOOTSTRAP, NAME

FROM_COPY = "restored from the copy"
MADE_ANEW = "made anew"
REMOVED = "removed, Kafka makes it anew"
ANOTHER = "not what its copy is"
LEFT = "left as it is: nothing else has it"
_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Patient:
    """One log directory, the copies that belong to it, and whether the last start failed for a reason in the log: then
    a file that is well formed and yet not its copy is damaged too.
    """

    data: Path
    copies: Contents
    is_suspicious: bool = False

    @property
    def metadata(self) -> Path:
        """The directory of the metadata partition."""
        return self.data / METADATA_PARTITION

    def wrong(self, path: Path, kind: Kind) -> str:
        """What is wrong with a file; empty where nothing is. A file that is not there is `missing`."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return "missing"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        copy = self.copies.get(self.name(path), content)
        return fault(kind, content) or (ANOTHER if self.is_suspicious and copy != content else "")

    def name(self, path: Path) -> str:
        """As the copies and the journal name a file."""
        return str(path.relative_to(self.data))

    def replace(self, path: Path, wrong: str, *choices: tuple[str, bytes | None]) -> Finding:
        """Write the first choice that there is; None is none, empty is `without the file`.

        A file that the disk does not let go of is said, and the others are still mended.
        """
        for done, content in choices:
            if content is None:
                continue
            try:
                _put(path, content)
            except OSError as error:
                return Finding(file=self.name(path), wrong=wrong, done=f"not mended: {error.strerror}", is_grave=True)
            return Finding(file=self.name(path), wrong=wrong, done=done)
        return Finding(file=self.name(path), wrong=wrong, done=LEFT, is_grave=True)


def treat(data: Path, copies: Contents, *, is_suspicious: bool = False) -> list[Finding]:
    """Make good every small file under `data`; what was found, in order. Copies of another log are not used.

    Raises OSError where a directory cannot be read.
    """
    meta = data / Kind.META_PROPERTIES
    if not Patient(data, {}).wrong(meta, Kind.META_PROPERTIES) and not belong(copies, meta.read_bytes()):
        copies = {}
    patient = Patient(data, copies, is_suspicious)
    return [*_log(patient), *_metadata(patient), *_topics(patient)]


def _put(path: Path, content: bytes) -> None:
    """Empty: remove it."""
    if content:
        write_durably(path, content, mode=_MODE)
    else:
        path.unlink()
        sync_directory(path.parent)


def _log(patient: Patient) -> Iterator[Finding]:
    path = patient.data / Kind.META_PROPERTIES
    if wrong := patient.wrong(path, Kind.META_PROPERTIES):
        copy = patient.copies.get(Kind.META_PROPERTIES)
        yield patient.replace(path, wrong, (FROM_COPY, copy), ("rebuilt from the metadata log", _rebuilt(patient)))
    path = patient.data / BOOTSTRAP
    if wrong := patient.wrong(path, Kind.SNAPSHOT):
        copy = patient.copies.get(BOOTSTRAP)
        if copy or wrong != "missing":
            yield patient.replace(path, wrong, (FROM_COPY, copy), (REMOVED, b""))
    for name in OFFSET_CHECKPOINTS:
        yield from _dispensable(patient, patient.data / name, Kind.OFFSETS)


def _metadata(patient: Patient) -> Iterator[Finding]:
    if not patient.metadata.is_dir():
        return
    yield from _dispensable(patient, patient.metadata / "quorum-state", Kind.QUORUM_STATE)
    yield from _dispensable(patient, patient.metadata / Kind.LEADER_EPOCHS, Kind.LEADER_EPOCHS)
    path = patient.metadata / Kind.PARTITION_METADATA
    if wrong := patient.wrong(path, Kind.PARTITION_METADATA):
        yield patient.replace(path, wrong, (MADE_ANEW, partition_metadata(METADATA_TOPIC_ID)))
    yield from _snapshots(patient)


def _snapshots(patient: Patient) -> Iterator[Finding]:
    """Those on the disk, and those that only the copies have."""
    known = {patient.data / name for name in patient.copies if NAME.fullmatch(Path(name).name)}
    for path in sorted({*snapshots(patient.data), *known}):
        wrong = patient.wrong(path, Kind.SNAPSHOT)
        if not wrong or (wrong == "missing" and _is_covered(patient, path)):
            continue
        is_superfluous = _is_covered(patient, path)
        copy = patient.copies.get(patient.name(path))
        yield patient.replace(path, wrong, (FROM_COPY, copy), (REMOVED, b"" if is_superfluous else None))


def _is_covered(patient: Patient, damaged: Path) -> bool:
    """Whether the metadata is whole without this snapshot: the log begins at 0, or at another that is sound."""
    starts = sorted(path.stem for path in patient.metadata.glob("*.log"))
    begin = int(starts[0]) if starts and starts[0].isdecimal() else 0
    others = (path for path in snapshots(patient.data) if path != damaged)
    sound = (path for path in others if not patient.wrong(path, Kind.SNAPSHOT))
    return bool(starts) and (begin == 0 or any(int(path.name[:20]) >= begin for path in sound))


def _topics(patient: Patient) -> Iterator[Finding]:
    for partition in partitions(patient.data):
        path = partition / Kind.PARTITION_METADATA
        if wrong := patient.wrong(path, Kind.PARTITION_METADATA):
            yield from _topic_id(patient, path, wrong)
        yield from _dispensable(patient, partition / Kind.LEADER_EPOCHS, Kind.LEADER_EPOCHS)


def _topic_id(patient: Patient, path: Path, wrong: str) -> Iterator[Finding]:
    """The metadata log is what Kafka compares with, so it comes first: the copy may be of a topic deleted since."""
    topic = topic_of(path.parent)
    known = metadata_log.topic_id(patient.metadata, topic)
    if wrong == ANOTHER and known and path.read_bytes() == partition_metadata(known):
        return  # it is the copy that is of another
    siblings = (one / Kind.PARTITION_METADATA for one in partitions(patient.data) if topic_of(one) == topic)
    sound = next((one.read_bytes() for one in siblings if not patient.wrong(one, Kind.PARTITION_METADATA)), None)
    yield patient.replace(
        path,
        wrong,
        ("rebuilt from the metadata log", partition_metadata(known) if known else None),
        (FROM_COPY, patient.copies.get(patient.name(path))),
        ("taken from another partition of the topic", sound),
    )


def _dispensable(patient: Patient, path: Path, kind: Kind) -> Iterator[Finding]:
    wrong = patient.wrong(path, kind)
    if wrong and wrong != "missing":
        yield patient.replace(path, wrong, (REMOVED, b""))


def _rebuilt(patient: Patient) -> bytes | None:
    """The directory's id must be that of the quorum's voter; the cluster's is for telling clusters apart: a new one."""
    directory = metadata_log.directory_id(patient.metadata)
    if not directory:
        return None
    lines = (f"node.id={NODE_ID}", f"directory.id={directory}", "version=1", f"cluster.id={cluster_id()}")
    return "".join(f"{line}\n" for line in lines).encode()
