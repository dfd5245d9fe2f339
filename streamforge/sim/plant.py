"""Simulated machines behind one Modbus server or line; what they show is a function of time and a seed."""

from collections.abc import Mapping, Sequence

from streamforge.sim.boiler import BOILER
from streamforge.sim.faults import Fault, Trouble, fault_at, last_reboot_end
from streamforge.sim.image import Asset, Image, Values
from streamforge.sim.packaging_line import PACKAGING_LINE
from streamforge.sim.pump_station import PUMP_STATION
from streamforge.sim.server import GATEWAY_TARGET_SILENT, SERVER_DEVICE_FAILURE, SILENCE, Reply

ASSETS = (PUMP_STATION, BOILER, PACKAGING_LINE)
COMMISSIONED = 1_767_225_600.0  # 2026-01-01: since then the counters count
REFRESH_SECONDS = 0.1
SLOW_SECONDS = 0.7
DEFAULT_SEED = 7
IMPOSSIBLE: dict[int, Values] = {
    PUMP_STATION.unit_id: {"level": 65_000, "discharge_pressure": -300.0},
    BOILER.unit_id: {"steam_temperature": 1372.0, "flue_gas_oxygen": -7.0},
    PACKAGING_LINE.unit_id: {"line_speed": 6000.0, "air_pressure": 400.0},
}


class Plant:
    """Answers for every machine; `now` is Unix time in seconds."""

    def __init__(
        self,
        *,
        started: float,
        seed: int = DEFAULT_SEED,
        has_faults: bool = False,
        assets: Sequence[Asset] = ASSETS,
        impossible: Mapping[int, Values] = IMPOSSIBLE,
    ) -> None:
        """`assets` are the units 1, 2, ...; `impossible` is what a unit shows when its values are wild."""
        self._started, self._impossible = started, impossible
        self._seed = seed
        self._has_faults = has_faults
        self._assets = {asset.unit_id: asset for asset in assets}
        self._images = {asset.unit_id: Image(asset) for asset in assets}
        self._filled: dict[int, float] = {}

    def fault(self, now: float) -> Fault | None:
        """What is wrong now."""
        return fault_at(now - self._started, len(self._assets), self._seed) if self._has_faults else None

    def is_down(self, now: float) -> bool:
        """The controller reboots: nobody listens."""
        fault = self.fault(now)
        return fault is not None and fault.trouble == Trouble.REBOOT

    def values(self, unit_id: int, now: float) -> Values:
        """What one machine shows, by name of its points."""
        shown = dict(self._assets[unit_id].values(now, self._booted_at(now), self._seed))
        fault = self.fault(now)
        if fault and fault.unit_id == unit_id and fault.trouble == Trouble.OUT_OF_RANGE:
            shown |= self._impossible[unit_id]
        return shown

    def answer(self, now: float, unit_id: int, function: int, start: int, count: int) -> Reply:
        """The reply to one request at this time; values are at most REFRESH_SECONDS old."""
        image = self._images.get(unit_id)
        if image is None:
            return Reply(data=GATEWAY_TARGET_SILENT)
        fault = self.fault(now)
        trouble = fault.trouble if fault and fault.unit_id == unit_id else None
        if trouble == Trouble.SILENCE:
            return SILENCE
        if trouble == Trouble.EXCEPTION:
            return Reply(data=SERVER_DEVICE_FAILURE)
        if not 0.0 <= now - self._filled.get(unit_id, -1.0) < REFRESH_SECONDS:
            image.fill(self.values(unit_id, now))
            self._filled[unit_id] = now
        data = image.read(function, start, count)
        return Reply(data=data, delay_seconds=SLOW_SECONDS if trouble == Trouble.SLOW else 0.0)

    def _booted_at(self, now: float) -> float:
        reboot = last_reboot_end(now - self._started) if self._has_faults else None
        return COMMISSIONED if reboot is None else self._started + reboot
