"""`streamforge sim` as a process: it says where it listens, answers, and ends with SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamforge.sim.command import load_size

RUN = "import sys; from streamforge.sim.command import run; sys.exit(run(sys.argv[1:]))"


@contextmanager
def simulator(*arguments: str) -> Iterator[tuple[str, int]]:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout
        host, port = process.stdout.readline().strip().split(":")
        try:
            yield host, int(port)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def ask(where: tuple[str, int], request: str) -> bytes:
    with socket.create_connection(where, 5) as peer:
        peer.sendall(bytes.fromhex(request))
        return peer.recv(300)


def test_the_plant_answers() -> None:
    with simulator() as where:
        answer = ask(where, "0007 0000 0006 01 03 0000 0002")
        assert answer[:9] == bytes.fromhex("0007 0000 0007 01 03 04")
        assert ask(where, "0007 0000 0006 01 03 ff00 0002")[7:] == bytes([0x83, 2])
        assert ask(where, "0007 0000 0006 63 03 0000 0002")[7:] == bytes([0x83, 11])
        assert ask(where, "0007 0000 0006 01 06 0000 0002")[7:] == bytes([0x86, 1])


def test_two_requests_in_one_packet_get_two_answers() -> None:
    with simulator() as where, socket.create_connection(where, 5) as peer:
        peer.sendall(bytes.fromhex("0001 0000 0006 01 03 0000 0001 0002 0000 0006 02 03 0000 0001"))
        answers = b""
        while len(answers) < 22:
            answers += peer.recv(300)
        assert (answers[:2], answers[11:13]) == (b"\0\1", b"\0\2")


def test_the_load_answers_every_register_of_every_device() -> None:
    with simulator("--load", "3x200") as where:
        answer = ask(where, "0007 0000 0006 03 03 0064 0064")
        assert answer[:9] == bytes.fromhex("0007 0000 00cb 03 03 c8")
        assert int.from_bytes(answer[9:11], "big") - 300 in {0, 1}
        assert ask(where, "0007 0000 0006 04 03 0000 0064")[7:] == bytes([0x83, 2])
        assert ask(where, "0007 0000 0006 03 03 00c0 0064")[7:] == bytes([0x83, 2])


def test_a_port_in_use_is_said_in_one_line() -> None:
    with simulator() as (_, port):
        second = subprocess.run(
            [sys.executable, "-c", RUN, "--port", str(port)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"streamforge sim: 127.0.0.1:{port}: ")
        assert second.stderr.count("\n") == 1


def test_a_size_of_load() -> None:
    assert load_size("10x200") == (10, 200)
    for wrong in ("10", "x", "0x10", "300x1", "1x70000"):
        with pytest.raises(Exception, match="DEVICESxREGISTERS"):
            load_size(wrong)
