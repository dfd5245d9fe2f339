"""`streamforge bench chain`: measures the whole chain as separate processes beside a throw-away broker."""

import sys


def run(arguments: list[str]) -> int:
    """Run the named measurement; its exit code, 2 = there is none of that name."""
    if arguments[:1] != ["chain"]:
        print("usage: streamforge bench chain [--seconds N] [--points N] [--interval MS]", file=sys.stderr)
        return 2
    from streamforge.bench.chain import run as chain

    return chain(arguments[1:])
