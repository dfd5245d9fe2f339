"""A packaging line: it runs, jams, changes over, and counts. Big endian, unit 3."""

from enum import IntEnum

from streamforge.sim.image import Asset, Value, Values, shown
from streamforge.sim.signals import ease, noise, uniform, wave

BLOCK_SECONDS = 180.0
BLOCKS = 20
CHANGE_OVER_SECONDS, LONGEST_JAM_SECONDS = 75.0, 35.0
UNITS_PER_SECOND = 2.0
REJECTED_SHARE = 0.012
RECIPES = ("TOMATO 500G", "PESTO 190G", "OLIVES 350G", "BEANS 400G")
_STATIONS = ("infeed", "filler", "capper", "labeller", "palletizer")
_BITS = ("running", "jam_infeed", "jam_labeller", "starved", "blocked", "low_labels", "low_caps", "door_interlock")


class State(IntEnum):
    """The line as PackML names it (ISA-TR88)."""

    STOPPED = 2
    IDLE = 4
    EXECUTE = 6
    HELD = 11


POINTS = (
    shown("state", "HR0"),
    shown("line_speed", "HR1", "uint16", 0.1),
    shown("good_count", "HR2", "uint32"),
    shown("reject_count", "HR4", "uint32"),
    shown("lifetime_count", "HR6", "uint64"),
    shown("recipe_number", "HR10"),
    shown("recipe", "HR11:8", "string"),
    shown("availability", "HR20", "float32"),
    shown("fill_weight", "HR22", "float32"),
    shown("controller_clock", "HR24", "uint32"),
    shown("energy", "HR26", "uint32", 0.1),
    *(shown(name, f"HR30.{bit}", "bit") for bit, name in enumerate(_BITS)),
    shown("serial_number", "HR40:8", "string"),
    *(shown(f"{name}_current", f"IR{i}", "uint16", 0.01) for i, name in enumerate(_STATIONS)),
    *(shown(f"{name}_temperature", f"IR{10 + i}", "int16", 0.1) for i, name in enumerate(_STATIONS)),
    shown("air_pressure", "IR20", "uint16", 0.01),
    *(shown(f"guard_{number}_closed", f"DI{number - 1}", "bool") for number in (1, 2, 3, 4)),
    shown("start_request", "CO0", "bool"),
)  # fmt: skip


def values(t: float, booted_at: float, seed: int) -> Values:
    """The line at t seconds; counters count from `booted_at`."""
    block, phase = divmod(t, BLOCK_SECONDS)
    state, speed = _state(seed, int(block), phase)
    recipe = int(block) // BLOCKS % len(RECIPES)
    made = max(0, _made(seed, t) - _made(seed, booted_at))
    rejected = int(made * REJECTED_SHARE)
    is_infeed_jam = state == State.HELD and int(block) % 2 == 0
    result: dict[str, Value] = {
        "state": int(state),
        "line_speed": speed * (60.0 * UNITS_PER_SECOND + 0.6 * noise(seed, t)),
        "good_count": made - rejected,
        "reject_count": rejected,
        "lifetime_count": 5_000_000_000 + made,
        "recipe_number": recipe + 1,
        "recipe": RECIPES[recipe],
        "availability": 91.0 + 4.0 * wave(t, 3600.0) + 0.2 * noise(seed + 1, t, 30.0),
        "fill_weight": 350.0 + 1.4 * noise(seed + 2, t, 0.5),
        "controller_clock": t,
        "energy": max(0.0, t - booted_at) * 18.0 / 3600.0,
        "running": speed > 0.0,
        "jam_infeed": is_infeed_jam,
        "jam_labeller": state == State.HELD and not is_infeed_jam,
        "starved": uniform(seed + 3, int(t / 20.0)) > 0.95,
        "blocked": uniform(seed + 4, int(t / 20.0)) > 0.97,
        "low_labels": t % 1500.0 > 1380.0,
        "low_caps": t % 2100.0 > 2010.0,
        "door_interlock": state != State.STOPPED,
        "serial_number": f"PKL/{seed % 1000:03d}/26",
        "air_pressure": 6.2 + 0.25 * wave(t, 48.0) + 0.02 * noise(seed + 5, t),
        "start_request": state in {State.EXECUTE, State.HELD},
    }
    for place, name in enumerate(_STATIONS):
        load = 0.4 + speed * (2.0 + 0.5 * place + 0.15 * noise(seed + 20 + place, t))
        result[f"{name}_current"] = load
        result[f"{name}_temperature"] = 27.0 + 4.0 * place + 3.0 * wave(t, 1700.0, place / 5) + 2.0 * speed
    return result | {f"guard_{number}_closed": state != State.STOPPED or number != 2 for number in (1, 2, 3, 4)}


def _stop_seconds(seed: int, block: int) -> float:
    """How long the line stands at the start of this block: a change-over, a jam, or not at all."""
    place = block % BLOCKS
    if place == 0:
        return CHANGE_OVER_SECONDS
    luck = uniform(seed, place)
    return LONGEST_JAM_SECONDS * luck if luck > 0.6 else 0.0


def _state(seed: int, block: int, phase: float) -> tuple[State, float]:
    stop = _stop_seconds(seed, block)
    if phase >= stop:
        return State.EXECUTE, ease((phase - stop) / 5.0) if stop else 1.0
    if block % BLOCKS:
        return State.HELD, 0.0
    return (State.STOPPED if phase < stop - 10.0 else State.IDLE), 0.0


def _made(seed: int, t: float) -> int:
    """Units made since the beginning of time: whole rounds of blocks, whole blocks, and the part of this one."""
    block, phase = divmod(max(0.0, t), BLOCK_SECONDS)
    rounds, place = divmod(int(block), BLOCKS)
    running = [BLOCK_SECONDS - _stop_seconds(seed, number) for number in range(BLOCKS)]
    seconds = rounds * sum(running) + sum(running[:place]) + max(0.0, phase - _stop_seconds(seed, place))
    return int(seconds * UNITS_PER_SECOND)


PACKAGING_LINE = Asset(asset_id="packaging_line", unit_id=3, points=POINTS, values=values)
