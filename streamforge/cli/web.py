"""`streamforge web`: the local page."""


def run(arguments: list[str]) -> int:
    """Run it; its exit code."""
    from streamforge.web.main import run as command

    return command(arguments)
