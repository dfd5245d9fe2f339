"""Shapes of believable signals: every one a pure function of time in seconds and a seed."""

from math import exp, floor, sin, tau

_MASK = (1 << 64) - 1


def uniform(seed: int, step: int) -> float:
    """A number from 0 up to 1 that seed and step alone decide (SplitMix64, Steele et al. 2014)."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return ((mixed ^ mixed >> 31) >> 11) / (1 << 53)


def noise(seed: int, t: float, every_seconds: float = 1.0) -> float:
    """Smooth noise from -1 to 1 that takes a new direction every so many seconds."""
    place = t / every_seconds
    step = floor(place)
    before, after = uniform(seed, step), uniform(seed, step + 1)
    return 2.0 * (before + (after - before) * ease(place - step)) - 1.0


def ease(share: float) -> float:
    """From 0 to 1 without a corner at either end; clamped."""
    share = min(1.0, max(0.0, share))
    return share * share * (3.0 - 2.0 * share)


def wave(t: float, period_seconds: float, phase: float = 0.0) -> float:
    """A sine from -1 to 1; `phase` as a share of the period."""
    return sin(tau * (t / period_seconds + phase))


def settle(t: float, time_constant_seconds: float, swing_period_seconds: float) -> float:
    """What is left, t seconds after a step, of the error of a well-tuned controller: 1 falling to 0 with one swing."""
    return exp(-t / time_constant_seconds) * sin(tau * (t / swing_period_seconds + 0.25))
