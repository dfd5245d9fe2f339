"""A chiller that an OPC UA server shows: two compressors, water in and out, one alarm that comes and goes."""

from streamforge.sim.image import Values
from streamforge.sim.signals import noise, wave

ALARM_EVERY_SECONDS, ALARM_SECONDS = 300.0, 30.0
LOW_PRESSURE_BAR = 2.2


def values(t: float, started: float, seed: int) -> Values:
    """What it shows at t seconds; run time counts from `started`."""
    load = 62.0 + 22.0 * wave(t, 1200.0) + 2.0 * noise(seed, t, 5.0)
    suction = 3.4 + 0.1 * noise(seed + 1, t, 2.0) - (1.4 if is_short_of_refrigerant(t) else 0.0)
    return {
        "Water.Supply": 6.5 + 0.3 * noise(seed + 2, t, 8.0),
        "Water.Return": 6.5 + load * 0.075,
        "Water.Flow": 54.0 + 0.6 * noise(seed + 3, t, 3.0),
        "Compressor1.Load": load,
        "Compressor1.Current": 48.0 * load / 100.0 + 0.5 * noise(seed + 4, t, 1.0),
        "Compressor1.Running": True,
        "Compressor2.Load": max(0.0, load - 60.0),
        "Compressor2.Current": 48.0 * max(0.0, load - 60.0) / 100.0,
        "Compressor2.Running": load > 60.0,
        "Refrigerant.Suction": suction,
        "Refrigerant.Discharge": 13.8 + 0.2 * noise(seed + 5, t, 4.0),
        "Mode": "cooling",
        "RunTime": int(max(0.0, t - started)),
    }


def is_short_of_refrigerant(t: float) -> bool:
    """Whether the suction pressure is below its limit now."""
    return t % ALARM_EVERY_SECONDS < ALARM_SECONDS
