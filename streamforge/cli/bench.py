"""`streamforge bench chain | adapters | line`: measures the chain, each adapter, or a serial line on this machine."""

import sys

USAGE = """usage: streamforge bench chain [--seconds N] [--points N] [--interval MS]
       streamforge bench adapters [--seconds N] [--only NAME]
       streamforge bench line [--seconds N]"""


def run(arguments: list[str]) -> int:
    """Run the named measurement; its exit code, 2 = there is none of that name."""
    name = arguments[0] if arguments else ""
    if name == "chain":
        from streamforge.bench.chain import run as chain

        return chain(arguments[1:])
    if name == "adapters":
        from streamforge.bench.adapters import run as adapters

        return adapters(arguments[1:])
    if name == "line":
        from streamforge.bench.serial_line import run as line

        return line(arguments[1:])
    if name == "wire":  # `adapters` runs this and the next
        from streamforge.bench.wire import run as wire

        return wire(arguments[1:])
    if name == "peer":
        from streamforge.bench.peer import run as peer

        return peer(arguments[1:])
    is_asked = name in {"-h", "--help"}
    print(USAGE, file=sys.stdout if is_asked else sys.stderr)
    return 0 if is_asked else 2
