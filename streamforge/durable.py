"""Files that are there whole or not at all, whenever the power goes."""

import os
from pathlib import Path

SECRET_MODE, PUBLIC_MODE = 0o600, 0o644


def write_durably(path: Path, content: bytes, *, mode: int = SECRET_MODE) -> None:
    """Write beside its place, bring it to the disk, and rename; the directory is on the disk too when this returns."""
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # whatever the umask says
        file.write(content)
        file.flush()
        os.fsync(handle)
    draft.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
