"""Runs inside the virtual machine: JSON lines in, JSON lines out, on a virtio-serial port (see vm.py)."""

import json
import os
import subprocess
import sys
import time


def run(request: dict[str, object]) -> dict[str, object]:
    """Run the command of a request; its output, or what is known of it, as the answer."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", str(request["command"])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=float(str(request["timeout_seconds"])), check=False,
        )  # fmt: skip
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"") + b"\n[timeout]"
    return {"id": request["id"], "output": output.decode("utf-8", "replace")}


def serve(port: str) -> None:
    """Answer until the machine ends."""
    handle = os.open(port, os.O_RDWR)
    buffer = b""
    while True:
        read = os.read(handle, 65536)
        if not read:  # nobody is connected on the other side
            time.sleep(0.2)
        buffer += read
        while b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            if line.strip():
                answer = json.dumps(run(json.loads(line))).encode() + b"\n"
                while answer:  # the port takes no more at once than it has room for
                    answer = answer[os.write(handle, answer) :]


if __name__ == "__main__":
    serve(sys.argv[1])
