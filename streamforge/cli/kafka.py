"""`streamforge kafka`: supervises the broker's Java process."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(prog="streamforge kafka", description="supervises the broker's Java process").parse_args(
        arguments
    )
    from streamforge.gateway.kafka_supervisor import main

    return main()
