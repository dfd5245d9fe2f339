"""A steam boiler under control: the set point moves, temperature and pressure follow. Floats in CDAB order, unit 2."""

from enum import IntEnum

from streamforge.sim.image import Asset, Values, shown
from streamforge.sim.signals import ease, noise, settle, uniform, wave

STEP_SECONDS = 600.0
LOWEST_C, SPAN_C = 158.0, 24.0
PURGE_SECONDS, IGNITE_SECONDS = 15.0, 4.0
REST_EVERY, REST_SECONDS = 1800.0, 60.0
RATED_KILOWATTS = 1200.0

_BITS = ("flame_on", "feed_pump_on", "low_water", "high_pressure", "burner_lockout", "blowdown_open")


class Burner(IntEnum):
    """What the burner control does."""

    OFF = 0
    PURGE = 1
    IGNITE = 2
    RUN = 3


POINTS = (
    *(shown(name, f"HR{2 * place}", "float32") for place, name in enumerate((
        "set_point", "steam_temperature", "steam_pressure", "feed_water_temperature", "flue_gas_temperature",
        "flue_gas_oxygen", "burner_power", "gas_flow", "steam_flow", "drum_level"))),
    shown("efficiency", "HR20", "float64"),
    shown("heat", "HR24", "uint32"),
    shown("gas_volume", "HR26", "uint32", 0.1),
    shown("burner_starts", "HR28", "uint32"),
    shown("burner_state", "HR30"),
    *(shown(name, f"HR31.{bit}", "bit") for bit, name in enumerate(_BITS)),
    shown("air_damper", "HR32.hi", "uint8"),
    shown("gas_valve", "HR32.lo", "uint8"),
    shown("serial_number", "HR40:8", "string"),
    shown("conductivity", "IR0", "uint16"),
    shown("ph", "IR1", "uint16", 0.01),
    shown("release", "CO0", "bool"),
    shown("emergency_stop", "DI0", "bool"),
)  # fmt: skip


def values(t: float, booted_at: float, seed: int) -> Values:
    """The boiler at t seconds; counters count from `booted_at`."""
    step, since = divmod(t, STEP_SECONDS)
    target, before = _set_point(seed, int(step)), _set_point(seed, int(step) - 1)
    error = (before - target) * settle(since, 70.0, 240.0)
    state, running = _burner(t)
    temperature = target + error + 0.25 * noise(seed, t, 3.0) - 4.0 * (1.0 - running)
    power = running * min(100.0, max(18.0, 55.0 - 2.2 * error + 8.0 * wave(t, 900.0) + noise(seed + 1, t, 2.0)))
    pressure = 6.0 + (temperature - LOWEST_C) * 0.16 + 0.01 * noise(seed + 2, t)
    level = 50.0 + 6.0 * wave(t, 75.0) + 0.8 * noise(seed + 3, t, 2.0)
    return {
        **_counters(max(0.0, t - booted_at)),
        "set_point": target,
        "steam_temperature": temperature,
        "steam_pressure": pressure,
        "feed_water_temperature": 103.0 + 1.5 * wave(t, 310.0) + 0.2 * noise(seed + 4, t, 5.0),
        "flue_gas_temperature": 120.0 + 1.1 * power + 1.2 * noise(seed + 5, t, 4.0),
        "flue_gas_oxygen": 20.9 - running * (17.2 + 0.4 * noise(seed + 6, t, 3.0)),
        "burner_power": power,
        "gas_flow": power * 1.28,
        "steam_flow": power * 0.017 + 0.03 * noise(seed + 7, t, 2.0) * running,
        "drum_level": level,
        "efficiency": 0.0 if power == 0.0 else 94.5 - 0.03 * power + 0.1 * noise(seed + 8, t, 30.0),
        "burner_state": int(state),
        "flame_on": state in {Burner.IGNITE, Burner.RUN},
        "feed_pump_on": wave(t, 75.0, 0.25) > 0.0,
        "low_water": level < 42.5,
        "high_pressure": pressure > 10.5,
        "burner_lockout": False,
        "blowdown_open": t % 1200.0 < 8.0,
        "air_damper": 100 if state == Burner.PURGE else round(15 + 0.8 * power),
        "gas_valve": round(power),
        "serial_number": f"BLR{seed % 100000:05d}A",
        "conductivity": 2800.0 + 250.0 * wave(t, 1200.0) + 10.0 * noise(seed + 9, t, 10.0),
        "ph": 10.8 + 0.05 * noise(seed + 10, t, 60.0),
        "release": True,
        "emergency_stop": False,
    }


def _counters(elapsed_seconds: float) -> Values:
    return {
        "heat": elapsed_seconds * RATED_KILOWATTS * 0.55 / 3600.0,
        "gas_volume": elapsed_seconds * 70.0 / 3600.0,
        "burner_starts": elapsed_seconds // REST_EVERY,
    }


def _set_point(seed: int, step: int) -> float:
    return LOWEST_C + round(SPAN_C * uniform(seed, step))


def _burner(t: float) -> tuple[Burner, float]:
    """State and share of full control: at rest once in a while, then purge, ignite, run."""
    phase = t % REST_EVERY - REST_SECONDS
    if phase < 0:
        return Burner.OFF, 0.0
    if phase < PURGE_SECONDS:
        return Burner.PURGE, 0.0
    if phase < PURGE_SECONDS + IGNITE_SECONDS:
        return Burner.IGNITE, 0.2
    return Burner.RUN, 0.2 + 0.8 * ease((phase - PURGE_SECONDS - IGNITE_SECONDS) / 30.0)


BOILER = Asset(asset_id="boiler", unit_id=2, points=POINTS, values=values, is_word_swapped=True)
