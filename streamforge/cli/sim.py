"""`streamforge sim`: a simulated plant to read from."""


def run(arguments: list[str]) -> int:
    """Run it; its exit code."""
    from streamforge.sim.command import run as command

    return command(arguments)
