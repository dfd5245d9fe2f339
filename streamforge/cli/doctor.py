"""`streamforge doctor`: repairs the broker's small files before it starts."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(
        prog="streamforge doctor", description="repairs the broker's small files before it starts"
    ).parse_args(arguments)
    from streamforge.gateway.kafka_doctor import main

    return main()
