"""Modbus TCP: PLCs, meters, drives, and serial devices behind a Modbus gateway. Reads only.

Units behind one host and port share one connection, one request at a time, each waiting its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from time import monotonic, monotonic_ns, time_ns

from streamforge.adapters.base import EVERY_READING, Batch, Device, Poller
from streamforge.adapters.modbus_config import DeviceRow, ModbusTcpConfig, gap_registers, points_of
from streamforge.adapters.modbus_decode import Decoder
from streamforge.adapters.modbus_link import NO_RESPONSE, Failure, Link, Question
from streamforge.adapters.modbus_points import Point
from streamforge.adapters.modbus_scan import Scan
from streamforge.adapters.register_plan import Budget, plan
from streamforge.errors import NotConnected
from streamforge.model import names

SILENT_SCANS = 3  # after so many a unit on a shared connection is asked only once in a while:
REST_SECONDS = 10.0  # its time-outs would starve its neighbours


@dataclass(slots=True)
class _Job:
    """How one device is read, how often in a row it kept silent, and until when it is left alone for that."""

    device: Device
    link: Link
    timeout_seconds: float
    steps: list[tuple[Question, Decoder]]
    places: Sequence[int]
    silent: int = 0
    rests_until_seconds: float = 0.0


class ModbusTcp(Poller[ModbusTcpConfig]):
    """One instance: all its units on as many connections as there are hosts."""

    Config = ModbusTcpConfig

    def __init__(self, config: ModbusTcpConfig) -> None:
        super().__init__(config)
        self._links: dict[tuple[str, int], Link] = {}
        self._jobs: dict[str, _Job] = {}
        for row in config.device_rows():
            self._add_unit(row)
        self._devices = tuple(job.device for job in self._jobs.values())

    @property
    def devices(self) -> Sequence[Device]:
        return self._devices

    async def connect(self, device: Device) -> None:
        job = self._jobs[device.key]
        await job.link.connect(job.timeout_seconds)

    async def poll(self, device: Device) -> Batch:
        job = self._jobs[device.key]
        if job.silent >= SILENT_SCANS and monotonic() < job.rests_until_seconds:
            return self.silent(device, NO_RESPONSE.reason)
        scan = Scan()
        began_ns = monotonic_ns()
        silence: Failure | None = None
        for question, decoder in job.steps:
            outcome = silence or await self._read(job, question)
            if isinstance(outcome, bytes):
                decoder.decode(outcome, scan)
            else:
                scan.fail(len(decoder.points), outcome.quality, outcome.reason)
                silence = outcome if outcome.is_silence else None
        if job.places:
            scan = scan.in_order(job.places)
        return Batch(
            asset_id=device.asset_id,
            names=device.names,
            values=tuple(scan.values),
            others=scan.others,
            qualities=scan.qualities,
            reasons={index: reason for index, (_, reason) in scan.faults.items()},
            # The middle of the scan, by one clock only: the wall clock may be set meanwhile.
            device_times_us=((time_ns() - (monotonic_ns() - began_ns) // 2) // 1000,),
        )

    async def close(self) -> None:
        for link in self._links.values():
            link.close()

    async def _read(self, job: _Job, question: Question) -> bytes | Failure:
        """One request; silence is doubtful the first time and bad from the second on, also over a new connection."""
        try:
            outcome = await job.link.read(question, job.timeout_seconds)
        except NotConnected:
            job.silent += 1
            raise
        if isinstance(outcome, bytes) or not outcome.is_silence:
            job.silent = 0
            return outcome
        job.silent += 1
        job.rests_until_seconds = monotonic() + (REST_SECONDS if job.link.is_shared else 0.0)
        return outcome if job.silent == 1 else NO_RESPONSE

    def _add_unit(self, row: DeviceRow) -> None:
        """One job for each asset and interval of a unit."""
        source = self.config.source
        address = (row.host or source.host, row.port or source.port)
        link = self._links.setdefault(address, Link(*address))
        unit_id = source.unit_id if row.unit_id is None else row.unit_id
        link.serve(unit_id)
        own_ms = row.poll_interval_ms or self.config.poll_interval_ms
        budget = Budget(gap_registers=gap_registers(source.max_gap if row.max_gap is None else row.max_gap))
        points = sorted(points_of(row), key=lambda p: (p.interval_ms not in {0, own_ms}, *_grid(p, own_ms)))
        timeout_seconds = (row.timeout_ms or source.timeout_ms) / 1000
        for (asset_id, interval_ms), group in groupby(points, key=lambda p: _grid(p, own_ms)):
            wanted = list(group)
            steps = [
                (Question(request.table, unit_id, request.start, request.count), Decoder(request))
                for request in plan(wanted, budget)
            ]
            key = self._key(asset_id if interval_ms == own_ms else f"{asset_id}@{interval_ms}ms")
            device = _device(key, interval_ms, wanted, (link.address, unit_id))
            self._jobs[key] = _Job(
                device=device, link=link, timeout_seconds=timeout_seconds, steps=steps, places=_places(wanted, steps)
            )

    def _key(self, wanted: str) -> str:
        """`wanted`, numbered where two units feed one asset at one interval."""
        number = sum(key == wanted or key.startswith(f"{wanted}#") for key in self._jobs)
        return f"{wanted}#{number + 1}" if number else wanted


def _grid(point: Point, own_ms: int) -> tuple[str, int]:
    return point.asset_id, point.interval_ms or own_ms


def _places(wanted: Sequence[Point], steps: Sequence[tuple[Question, Decoder]]) -> Sequence[int]:
    """Where each wanted point stands among the decoded ones; empty where they come in the wanted order."""
    decoded = {point.parameter: place for place, point in enumerate(p for _, d in steps for p in d.points)}
    places = [decoded[point.parameter] for point in wanted]
    return () if places == sorted(places) else places


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
