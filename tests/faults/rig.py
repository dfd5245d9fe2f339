"""A broker whose log lies on a disk that can be cut; all else of it (credentials, its own output) lies beside."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from streamforge.bus.connection import Connection
from streamforge.gateway.doctor import incarnation
from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.broker import new_broker
from tests.faults import log
from tests.faults.disk import Cut, Disk, clone, pool
from tests.faults.mounts import workspace


class Rig:
    """One disk, one broker, and the state after the first boot, from which every round starts."""

    def __init__(self, disk: Disk, broker: ThrowAwayBroker) -> None:
        self.disk = disk
        self.broker = broker
        self._first_boot = disk.file.with_name("first-boot.img")

    def make(self) -> None:
        """Format the disk and the log, make the shipped topics, users and rights, stop in order, keep that."""
        self.disk.make()
        self.broker.start()
        self.broker.stop()
        self.disk.pull_out()
        clone(self.disk.file, self._first_boot)

    @property
    def admin(self) -> Connection:
        """The way in for plants and judges."""
        return self.broker.connection("admin")

    def boot(self, public: Path | None = None) -> None:
        """Start the broker on the disk as it was after the first boot; `public` as in `recover`."""
        self.plug_in()
        if public is not None:
            incarnation.keep(self.disk.point / "kafka", public, "the boot before the cut")
        self.broker.start()

    def plug_in(self) -> None:
        """Have the disk as it was after the first boot, and no broker on it."""
        self.broker.kill()
        self.disk.plug_in(self._first_boot)

    def recover(self, cut: Cut, topic: str, public: Path | None = None) -> float:
        """Start the broker on what the cut left; seconds from the mount to the first answer about the topic.

        With `public` the doctor looks after the log before, and leaves there what all units read of it.
        """
        self.broker.kill()
        self.disk.pull_out()
        began = time.monotonic()
        self.disk.plug_in(cut.file, cut.late)
        if public is not None:
            incarnation.keep(self.disk.point / "kafka", public, "the boot after the cut")
        self.broker.start()
        log.end(self.admin, topic)
        return time.monotonic() - began


@contextmanager
def rig(*, has_cache: bool) -> Iterator[Rig]:
    """A rig that is made and ready to boot; broker, mounts and files are gone at the end."""
    with ExitStack() as undo:
        directory = undo.enter_context(workspace())
        images = undo.enter_context(pool(directory))
        disk = undo.enter_context(Disk(images, directory / "disk", has_cache=has_cache))
        broker = new_broker(directory / "broker")
        broker.broker = replace(broker.broker, data=disk.point / "kafka" / "data")
        undo.callback(broker.kill)
        made = Rig(disk, broker)
        made.make()
        yield made
