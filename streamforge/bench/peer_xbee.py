"""An XBee module in API mode 1 on a pseudo terminal, which hears one node so many times a second."""

import itertools
import os
import select
import tty
from collections.abc import Iterator
from pathlib import Path
from struct import pack

from streamforge.adapters.xbee_frames import frame
from streamforge.bench.pace import paced

NODE = "0013A20041112233"
_ANSWER_AP = frame(b"\x88\x01AP\x00\x01")
_RECEIVED = b"\x90" + bytes.fromhex(NODE) + b"\xff\xfe\x01"


def run(path: Path, per_second: int) -> None:
    """Answer and send until killed; whatever is asked, the answer is the API mode."""
    module, port = os.openpty()
    tty.setraw(port)
    path.symlink_to(os.ttyname(port))
    os.read(module, 64)  # whoever opens the port asks for the mode; before that nobody listens
    os.write(module, _ANSWER_AP)
    for one in paced(frames(), per_second):
        if select.select([module], [], [], 0)[0]:
            os.read(module, 64)
            os.write(module, _ANSWER_AP)
        os.write(module, one)


def frames() -> Iterator[bytes]:
    """Two float32 each, the first of which counts."""
    for number in itertools.count():
        yield frame(_RECEIVED + pack(">ff", number & 0xFFFFFF, 21.5))
