"""The simulated plant for demos, tests and benches."""

from streamforge.sim.command import run

__all__ = ["run"]
