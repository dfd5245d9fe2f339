"""`streamforge syncd`: syncs the data partition, and lets others wait for it."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(
        prog="streamforge syncd", description="syncs the data partition every half second, and lets others wait for it"
    ).parse_args(arguments)
    from streamforge.gateway.syncd import main

    return main()
