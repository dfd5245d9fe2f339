"""`streamforge bench chain | line`: measures the whole chain beside a throw-away broker, or a serial line."""

import sys

USAGE = """usage: streamforge bench chain [--seconds N] [--points N] [--interval MS]
       streamforge bench line [--seconds N]"""


def run(arguments: list[str]) -> int:
    """Run the named measurement; its exit code, 2 = there is none of that name."""
    name = arguments[0] if arguments else ""
    if name == "chain":
        from streamforge.bench.chain import run as chain

        return chain(arguments[1:])
    if name == "line":
        from streamforge.bench.serial_line import run as line

        return line(arguments[1:])
    print(USAGE, file=sys.stderr)
    return 2
