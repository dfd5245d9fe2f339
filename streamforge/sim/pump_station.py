"""A waste-water pump station: a sump that fills, two pumps that take turns emptying it. Big endian, unit 1."""

from streamforge.sim.image import Asset, Value, Values, shown
from streamforge.sim.signals import ease, noise, wave

FILL_SECONDS, EMPTY_SECONDS = 150.0, 90.0
CYCLE_SECONDS = FILL_SECONDS + EMPTY_SECONDS
LOW_MM, HIGH_MM = 600.0, 2400.0
RATED_RPM, RATED_AMPERES, RATED_KILOWATTS = 1480.0, 22.0, 11.0
RUN_UP_SECONDS = 6.0

_PUMP = (("speed", "uint16", 1.0), ("current", "uint16", 0.1), ("winding_temperature", "int16", 0.1),
         ("vibration", "uint16", 0.01))  # fmt: skip
_BITS = ("pump_1_running", "pump_2_running", "high_level", "low_level", "remote_mode", "mains_ok")

POINTS = (
    shown("level", "HR0"),
    shown("inflow", "HR1", "uint16", 0.1),
    shown("outflow", "HR2", "uint16", 0.1),
    shown("discharge_pressure", "HR3", "int16", 0.01),
    *(shown(f"pump_{p}_{name}", f"HR{10 * p + i}", type_, scale)
      for p in (1, 2) for i, (name, type_, scale) in enumerate(_PUMP)),
    *(shown(name, f"HR30.{bit}", "bit") for bit, name in enumerate(_BITS)),
    shown("energy", "HR40", "uint32", 0.1),
    shown("pump_1_starts", "HR42", "uint32"),
    shown("pump_2_starts", "HR44", "uint32"),
    shown("pump_1_run_time", "HR46", "uint32"),
    shown("pump_2_run_time", "HR48", "uint32"),
    shown("serial_number", "HR60:8", "string"),
    shown("ambient_temperature", "IR0", "int16", 0.1),
    shown("supply_voltage", "IR1", "uint16", 0.1),
    shown("supply_frequency", "IR2", "uint16", 0.01),
    shown("automatic", "CO0", "bool"),
    shown("door_open", "DI0", "bool"),
    shown("float_switch", "DI1", "bool"),
)  # fmt: skip


def values(t: float, booted_at: float, seed: int) -> Values:
    """The station at t seconds; counters count from `booted_at`."""
    cycle, phase = divmod(t, CYCLE_SECONDS)
    is_pumping = phase >= FILL_SECONDS
    since = phase - FILL_SECONDS
    level = _level_mm(phase) + 6.0 * noise(seed, t, 0.7)
    inflow = 52.0 + 9.0 * wave(t, 5400.0) + 2.0 * noise(seed + 1, t, 5.0)
    thrust = ease(since / RUN_UP_SECONDS) if is_pumping else 0.0
    active = 1 + int(cycle) % 2
    result: dict[str, Value] = {
        "level": level,
        "inflow": inflow,
        "outflow": thrust * (138.0 + 3.0 * noise(seed + 2, t, 2.0)),
        "discharge_pressure": 0.35 + thrust * 2.6 + 0.02 * noise(seed + 3, t, 0.5),
        "high_level": level > HIGH_MM - 60.0,
        "low_level": level < LOW_MM + 60.0,
        "remote_mode": True,
        "mains_ok": True,
        "serial_number": f"PS-2026-{seed % 10000:04d}",
        "ambient_temperature": 14.0 + 6.0 * wave(t, 86400.0, -0.25) + 0.2 * noise(seed + 4, t, 60.0),
        "supply_voltage": 230.5 + 2.5 * noise(seed + 5, t, 20.0),
        "supply_frequency": 50.0 + 0.03 * noise(seed + 6, t, 8.0),
        "automatic": True,
        "door_open": t % 7200.0 < 40.0,
        "float_switch": level > HIGH_MM - 20.0,
    }
    for pump in (1, 2):
        result |= _pump(pump, thrust if pump == active else 0.0, t, seed + 10 * pump)
    return result | _counters(t - booted_at)


def _level_mm(phase: float) -> float:
    span = HIGH_MM - LOW_MM
    if phase < FILL_SECONDS:
        return LOW_MM + span * phase / FILL_SECONDS
    return HIGH_MM - span * (phase - FILL_SECONDS) / EMPTY_SECONDS


def _pump(number: int, thrust: float, t: float, seed: int) -> dict[str, Value]:
    warm = 24.0 + 30.0 * thrust + 4.0 * wave(t, 2 * CYCLE_SECONDS, number / 2)
    return {
        f"pump_{number}_running": thrust > 0.0,
        f"pump_{number}_speed": thrust * (RATED_RPM + 8.0 * noise(seed, t)),
        f"pump_{number}_current": thrust * (RATED_AMPERES + 0.6 * noise(seed + 1, t)),
        f"pump_{number}_winding_temperature": warm + 0.3 * noise(seed + 2, t, 10.0),
        f"pump_{number}_vibration": 0.15 + thrust * (2.1 + 0.4 * noise(seed + 3, t, 0.5)) + 0.02 * noise(seed, t),
    }


def _counters(elapsed: float) -> dict[str, Value]:
    cycles, phase = divmod(max(0.0, elapsed), CYCLE_SECONDS)
    pumped = max(0.0, phase - FILL_SECONDS)
    even, odd = (int(cycles) + 1) // 2, int(cycles) // 2
    is_first = int(cycles) % 2 == 0
    return {
        "energy": (cycles * EMPTY_SECONDS + pumped) * RATED_KILOWATTS / 3600.0,
        "pump_1_starts": even + (is_first and pumped > 0),
        "pump_2_starts": odd + (not is_first and pumped > 0),
        "pump_1_run_time": even * EMPTY_SECONDS + pumped * is_first,
        "pump_2_run_time": odd * EMPTY_SECONDS + pumped * (not is_first),
    }


PUMP_STATION = Asset(asset_id="pump_station", unit_id=1, points=POINTS, values=values)
