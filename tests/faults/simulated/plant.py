"""The simulated plant: numbered readings, and the truth of which the log acknowledged."""

import asyncio
from collections.abc import Sequence
from random import Random

from streamforge.adapters.base import AdapterConfig, Batch, Device, Poller
from streamforge.model import Quality, names
from tests.faults.simulated.clock import Clock

# Of so many readings one is BAD at the source, and belongs into the dead letters.
BAD_EVERY = 7


class Plant:
    """Outside of every process. A reading's value is its number, and no two have the same."""

    def __init__(self, clock: Clock, draw: Random) -> None:
        self._clock = clock
        self.emitted = 0
        self.acknowledged: set[int] = set()
        self.bad: set[int] = set()
        self._before: dict[str, set[int]] = {}
        self.is_silent = False
        self.devices = tuple(
            Device(
                key=f"device_{number}",
                asset_id=f"asset_{number}",
                interval_seconds=draw.choice((0.3, 0.5, 1.0, 2.0)),
                names=names(tuple(f"p{index}" for index in range(count)), ("",) * count, bytes(count)),
            )
            for number, count in enumerate(draw.randint(1, 6) for _ in range(draw.randint(1, 4)))
        )

    def scan(self, device: Device) -> Batch:
        """The next readings of a device."""
        count = len(device.names)
        first, self.emitted = self.emitted + 1, self.emitted + count
        numbers = range(first, first + count)
        # Never twice in a row: of readings that stay BAD an adapter reports the first.
        before = self._before.get(device.key, set())
        bad = {index for index, number in enumerate(numbers) if number % BAD_EVERY == 0} - before
        self._before[device.key] = bad
        self.bad |= {numbers[index] for index in bad}
        qualities = bytes(Quality.BAD if number in self.bad else Quality.GOOD for number in numbers)

        def done() -> None:
            self.acknowledged.update(numbers)

        return Batch(
            asset_id=device.asset_id,
            names=device.names,
            values=tuple(map(float, numbers)),
            qualities=qualities if any(qualities) else b"",
            device_times_us=(self._clock.wall_us(),),
            done=done,
        )


class PlantPoller(Poller[AdapterConfig]):
    """The adapter's side of it: answers at once, until the plant falls silent."""

    Config = AdapterConfig

    def __init__(self, plant: Plant) -> None:
        super().__init__(AdapterConfig(adapter_id="plant"))
        self._plant = plant

    @property
    def devices(self) -> Sequence[Device]:
        """What the plant has."""
        return self._plant.devices

    async def connect(self, device: Device) -> None:
        """It is always there."""

    async def poll(self, device: Device) -> Batch:
        """One scan."""
        while self._plant.is_silent:
            await asyncio.sleep(3_600.0)
        return self._plant.scan(device)

    async def close(self) -> None:
        """Nothing to let go of."""
