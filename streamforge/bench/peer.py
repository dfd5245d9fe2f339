"""`streamforge bench peer NAME ADDRESS ...`: the far end of one load, as a process of its own, until it is killed."""

from collections.abc import Sequence
from pathlib import Path

from streamforge.errors import Fatal


def run(arguments: Sequence[str]) -> int:
    """Serve. ADDRESS is a port or a path, the rest are numbers."""
    name, address, *rest = arguments
    numbers = [int(number) for number in rest]
    if name == "line":
        from streamforge.bench.serial_line import serve_line

        serve_line(Path(address), *numbers)
    elif name == "opcua":
        from streamforge.bench import peer_opcua

        peer_opcua.run(int(address), *numbers)
    elif name in {"mqtt", "sparkplug"}:
        from streamforge.bench import peer_mqtt, peer_sparkplug

        first, again = peer_sparkplug.messages() if name == "sparkplug" else ([], peer_mqtt.plant())
        peer_mqtt.run(int(address), numbers[0], first, again)
    elif name == "xbee":
        from streamforge.bench import peer_xbee

        peer_xbee.run(Path(address), *numbers)
    elif name == "lora":
        from streamforge.bench import peer_lora

        peer_lora.run(int(address), *numbers)
    else:
        raise Fatal(f"no peer is called {name!r}")
    return 0
