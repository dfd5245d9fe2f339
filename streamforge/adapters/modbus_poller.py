"""What modbus-tcp and modbus-rtu share: units of a configuration become devices, and a device is read scan by scan."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from time import monotonic_ns, time_ns
from typing import TypeVar

from streamforge.adapters.base import EVERY_READING, AdapterConfig, Batch, Device, Poller
from streamforge.adapters.modbus_config import UnitRow, UnitSource, points_of
from streamforge.adapters.modbus_failures import Failure
from streamforge.adapters.modbus_link import Link, Patience
from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_question import Question
from streamforge.adapters.modbus_reader import Reader
from streamforge.adapters.modbus_unit import Unit
from streamforge.adapters.register_plan import Request
from streamforge.model import names

C = TypeVar("C", bound=AdapterConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How one device (one asset of one unit at one interval) is read."""

    device: Device
    unit: Unit
    source: UnitSource
    reader: Reader


class ModbusPoller(Poller[C]):
    """Units on links; a subclass says which link a unit stands on."""

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self._jobs: dict[str, Job] = {}

    @property
    def devices(self) -> Sequence[Device]:
        return tuple(job.device for job in self._jobs.values())

    @property
    @abstractmethod
    def links(self) -> Sequence[Link]:
        """Every link that units stand on."""

    async def connect(self, device: Device) -> None:
        unit = self._jobs[device.key].unit
        await unit.link.connect(unit.patience)

    async def poll(self, device: Device) -> Batch:
        job = self._jobs[device.key]
        if job.unit.is_resting:
            return self.silent(device, job.unit.why.reason)
        began_ns = 0

        async def ask(question: Question) -> bytes | Failure:
            nonlocal began_ns
            outcome = await job.unit.read(question)
            began_ns = began_ns or job.unit.link.asked_ns  # not before: it may have waited long for its turn
            return outcome

        scan = await job.reader.scan(ask)
        took_ns = monotonic_ns() - began_ns if began_ns else 0
        # The middle of the scan, by one clock only: the wall clock may be set meanwhile.
        return scan.batch(device.asset_id, device.names, (time_ns() - took_ns // 2) // 1000)

    def figures(self) -> Mapping[tuple[str, ...], float]:
        """Requests by asset, and those that failed by the first word of their reason, since the start."""
        units = {id(job.unit): (job.device.asset_id, job.unit.counts) for job in self._jobs.values()}
        total: Counter[tuple[str, ...]] = Counter()
        for asset_id, counts in units.values():
            total.update({(asset_id, name): count for name, count in counts.items()})
        return total

    async def close(self) -> None:
        for link in self.links:
            link.close()

    def _add_unit(self, row: UnitRow, source: UnitSource, link: Link, automatic_gap: int) -> None:
        """One job for each asset and interval of a unit; `source` says how it is asked."""
        patience = Patience(timeout_seconds=source.timeout_ms / 1000, pause_seconds=source.pause_ms / 1000)
        unit = Unit(link, patience, source.retries)
        own_ms = row.poll_interval_ms or self.config.poll_interval_ms
        points = sorted(points_of(row), key=lambda p: (p.interval_ms not in {0, own_ms}, *_grid(p, own_ms)))

        def question(request: Request) -> Question:
            takes_any = not source.unit_check
            return Question(request.table, source.unit_id, request.start, request.count, takes_any_unit=takes_any)

        for (asset_id, interval_ms), group in groupby(points, key=lambda p: _grid(p, own_ms)):
            wanted = list(group)
            key = self._key(asset_id if interval_ms == own_ms else f"{asset_id}@{interval_ms}ms")
            self._jobs[key] = Job(
                device=_device(key, interval_ms, wanted, (link.address, source.unit_id)),
                unit=unit,
                source=source,
                reader=Reader(wanted, source.budget(automatic_gap), question),
            )

    def _key(self, wanted: str) -> str:
        """`wanted`, numbered where two units feed one asset at one interval."""
        number = sum(key == wanted or key.startswith(f"{wanted}#") for key in self._jobs)
        return f"{wanted}#{number + 1}" if number else wanted


def _grid(point: Point, own_ms: int) -> tuple[str, int]:
    return point.asset_id, point.interval_ms or own_ms


def _device(key: str, interval_ms: int, points: Sequence[Point], unit: tuple[str, int]) -> Device:
    """The device as the runner sees it; its columns stand in the order of the configuration."""
    rules, signals = tuple(point.rule for point in points), tuple(point.signal for point in points)
    return Device(
        key=key,
        asset_id=points[0].asset_id,
        interval_seconds=interval_ms / 1000,
        names=names(
            tuple(point.parameter for point in points),
            tuple(point.unit for point in points),
            bytes(point.kind for point in points),
        ),
        rules=() if all(rule == EVERY_READING for rule in rules) else rules,
        signals=signals if any(signals) else (),
        peer=unit[0],
        address=f"{unit[0]} unit {unit[1]}",
    )
