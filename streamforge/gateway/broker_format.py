"""Format the broker's storage at first boot.

It is made beside its place and renamed when complete and on the disk: a format that was cut short is simply done again.
"""

import base64
import os
import shutil
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path

from streamforge.errors import Fatal
from streamforge.gateway.broker import Broker

# Never raised before an update's new slot is confirmed: an older broker does not read a newer one's metadata.
RELEASE_VERSION = "4.2"
FORMAT_SECONDS = 60


def is_formatted(broker: Broker) -> bool:
    """Whether the storage is there."""
    return (broker.data / "meta.properties").exists()


def format_storage(broker: Broker, passwords: dict[str, str]) -> None:
    """Make the empty log with a SCRAM user for each principal (name -> password; `kafka` must be among them).

    Does nothing where it was done. Raises Fatal, without StorageTool's output, which holds salted keys.
    """
    if is_formatted(broker):
        return
    draft = replace(broker, data=broker.data.with_name(broker.data.name + ".part"))
    shutil.rmtree(draft.data, ignore_errors=True)
    draft.data.mkdir(parents=True)
    _run_storage_tool(draft, passwords)
    os.sync()  # or the rename could reach the disk before what it names
    if broker.data.exists():
        broker.data.rmdir()
    draft.data.rename(broker.data)


def _run_storage_tool(broker: Broker, passwords: dict[str, str]) -> None:
    broker.write_properties()
    arguments = broker.work / "format.args"
    try:
        _write_private(arguments, _arguments(broker, passwords))
        command = ["java", f"@{arguments}"]  # so that no password stands in the process list
        result = subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=FORMAT_SECONDS
        )
    finally:
        arguments.unlink(missing_ok=True)
    if result.returncode or not is_formatted(broker):
        msg = f"formatting {broker.data} failed (StorageTool ended with {result.returncode})"
        raise Fatal(msg)


def cluster_id() -> str:
    """A new cluster id: 128 random bits as Kafka writes them; none that a command line would take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _arguments(broker: Broker, passwords: dict[str, str]) -> str:
    words = [*broker.java()[1:], "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id()]
    words += ["-c", str(broker.properties_file), "--release-version", RELEASE_VERSION]
    for name, password in passwords.items():
        words += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
    return "\n".join(f'"{word}"' for word in words)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
