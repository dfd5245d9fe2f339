"""A disk that takes its time to flush: the calls that wait for it are held up, one after another, as by one device.

No shim and no compiler: the kernel hands every fsync(2), fdatasync(2), msync(2), sync(2) and syncfs(2) of a process and
its children to this one (seccomp_unotify(2)), which lets it go on when the disk would have been ready. One thread
answers them all, so that a JVM and a barrier that sync at once queue as they would at a memory card.
"""

import ctypes
import fcntl
import os
import platform
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

# fsync, fdatasync, msync, sync, syncfs; then seccomp(2) itself (asm/unistd.h)
_CALLS = {"x86_64": (74, 75, 26, 162, 306), "aarch64": (82, 83, 227, 81, 267)}[platform.machine()]
_SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8  # linux/seccomp.h, as all below
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/filter.h
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_ASKED, _ANSWER = struct.Struct("=QII64s"), struct.Struct("=QqiI")
_CONTINUE = 1
_POLL_SECONDS = 0.2
_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction)))


class SlowSyncs:
    """The disk's time to flush for what `run` starts; `delay_seconds` may change at any time, 0 = none."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.held_up = 0
        self._listener = -1
        self._ended = threading.Event()
        # One thread for all: the filter is a thread's, and a child may be bound to the life of the thread it came from.
        self._inside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slow-disk")
        self._answers = threading.Thread(target=self._answer, name="slow-disk-answers", daemon=True)

    def start(self) -> None:
        """From now on the calls are asked for. Raises OSError where the kernel refuses the filter."""
        self._listener = self._inside.submit(_filter).result()
        self._answers.start()

    def run(self, work: Callable[[], T]) -> T:
        """Do it where the disk is slow; so is the disk of every process that it starts."""
        return self._inside.submit(work).result()

    def close(self) -> None:
        """After the processes have ended: nobody would answer them."""
        self._inside.shutdown()
        self._ended.set()
        self._answers.join()
        os.close(self._listener)

    def _answer(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while not self._ended.is_set():
            if any(event & select.POLLIN for _, event in poll.poll(_POLL_SECONDS * 1e3)):
                self._let_go()

    def _let_go(self) -> None:
        asked = bytearray(_ASKED.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, asked)
            if self.delay_seconds:
                self.held_up += 1
                time.sleep(self.delay_seconds)
            number = _ASKED.unpack(asked)[0]
            fcntl.ioctl(self._listener, _SEND, bytearray(_ANSWER.pack(number, 0, 0, _CONTINUE)))
        except FileNotFoundError:
            return  # who asked was killed, or a signal came in between: then it asks again


@contextmanager
def slow_syncs() -> Iterator[SlowSyncs]:
    """Such a disk, as fast as it is until told otherwise; what was started in it must have ended at the end."""
    made = SlowSyncs()
    made.start()
    try:
        yield made
    finally:
        made.close()


def _filter() -> int:
    """Have the calls of this thread, and of what it starts, asked for; the descriptor on which that happens."""
    last = len(_CALLS)
    code = [(_LOAD_NUMBER, 0, 0, 0)]
    code += [(_JUMP_IF_EQUAL, last - index, 0, call) for index, call in enumerate(_CALLS)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ASK)]
    array = (_Instruction * len(code))(*(_Instruction(*one) for one in code))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener: int = _libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(_Program(len(code), array)))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp: no filter that asks")
    return listener
