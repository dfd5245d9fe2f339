"""`streamforge firstboot`: makes passwords, certificate and identity, once."""

import argparse


def run(arguments: list[str]) -> int:
    """Run it; the exit code for systemd."""
    argparse.ArgumentParser(
        prog="streamforge firstboot", description="makes passwords, certificate and identity, once"
    ).parse_args(arguments)
    from streamforge.gateway.firstboot import main

    return main()
