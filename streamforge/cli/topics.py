"""`streamforge topics`: brings topics, rights and users to the tables, once."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(
        prog="streamforge topics", description="brings topics, rights and users to the tables, once"
    ).parse_args(arguments)
    from streamforge.gateway.topic_setup import main

    return main()
