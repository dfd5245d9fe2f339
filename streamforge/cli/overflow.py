"""`streamforge overflow`: keeps the log within its disk budget."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    parser = argparse.ArgumentParser(prog="streamforge overflow", description="keeps the log within its disk budget")
    parser.add_argument("--act", action="store_true", help="carry out one order from standard input (its own helper)")
    is_helper: bool = parser.parse_args(arguments).act
    from streamforge.gateway.overflow import controller

    if not is_helper:
        return controller.main()
    from streamforge.gateway.overflow import act

    return act.main(controller.state_directory())
