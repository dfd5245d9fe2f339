"""Three energy meters of one hall, units 1 to 3 of a serial line; floats, high word first."""

from functools import partial

from streamforge.sim.image import Asset, Values, shown
from streamforge.sim.signals import noise, wave

VOLTS, POWER_FACTOR, SHIFT_SECONDS = 230.0, 0.93, 28_800.0
PHASES = (1, 2, 3)

POINTS = (
    *(shown(f"voltage_l{phase}", f"IR{2 * phase - 2}", "float32") for phase in PHASES),
    *(shown(f"current_l{phase}", f"IR{4 + 2 * phase}", "float32") for phase in PHASES),
    shown("power", "IR12", "float32"),
    shown("power_factor", "IR14", "int16", 0.001),
    shown("frequency", "IR15", "uint16", 0.01),
    shown("energy", "IR16", "uint32", 0.01),
    shown("breaker_closed", "DI0", "bool"),
)


def values(rated_amperes: float, t: float, booted_at: float, seed: int) -> Values:
    """One meter at t seconds, its feeder loaded up to `rated_amperes`; the energy counts from `booted_at`."""
    load = rated_amperes * (0.55 + 0.35 * wave(t, SHIFT_SECONDS))
    volts = [VOLTS + 2.0 * noise(seed + phase, t, 15.0) for phase in PHASES]
    amperes = [max(0.0, load + 0.08 * rated_amperes * noise(seed + 3 + phase, t, 3.0)) for phase in PHASES]
    kilowatts = sum(u * i for u, i in zip(volts, amperes, strict=True)) * POWER_FACTOR / 1000.0
    mean_kilowatts = 3 * VOLTS * rated_amperes * 0.55 * POWER_FACTOR / 1000.0
    return {
        **{f"voltage_l{phase}": volts[phase - 1] for phase in PHASES},
        **{f"current_l{phase}": amperes[phase - 1] for phase in PHASES},
        "power": kilowatts,
        "power_factor": POWER_FACTOR + 0.01 * noise(seed + 7, t, 10.0),
        "frequency": 50.0 + 0.03 * noise(seed + 8, t, 8.0),
        "energy": max(0.0, t - booted_at) * mean_kilowatts / 3600.0,
        "breaker_closed": True,
    }


def _meter(number: int, rated_amperes: float) -> Asset:
    return Asset(asset_id=f"meter_{number}", unit_id=number, points=POINTS, values=partial(values, rated_amperes))


METERS = (_meter(1, 63.0), _meter(2, 125.0), _meter(3, 250.0))
