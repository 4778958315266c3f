"""The threads of a process of this machine held for a moment by ptrace, without a signal to it: neither it nor its
parent hears of it (PTRACE_SEIZE and PTRACE_INTERRUPT, man 2 ptrace)."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import lru_cache

from gdbheap.lazy import dataclass

_SEIZE, _INTERRUPT, _GETREGSET, _DETACH = 0x4206, 0x4207, 0x4204, 17
_ALL_KINDS = 0x4000_0000  # __WALL: threads that are no children too
_TRAP, _EVENT_STOP = 5, 128
NT_PRSTATUS = 1
_LARGEST_SET = 1 << 12
_MOST_THREADS = 1 << 17
# A thread in an uninterruptible wait (a dead file server) cannot be held: it is left running.
_PATIENCE = 2.0
_PAUSE = 0.0005


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@dataclass
class HeldThreads:
    """`held` are the threads that stand still, with the signal that each was about to be given (0: none); `running`
    those that could not be held; `refused` is what the kernel said where it let us hold none ("" it did)."""

    held: dict[int, int] = field(default_factory=dict)
    running: tuple[int, ...] = ()
    refused: str = ""

    def registers(self, thread: int, kind: int) -> bytes:
        """Return a set of a held thread's registers, as a core's note of that kind has it; b"" where there is none."""
        return registers_of(thread, kind)


def registers_of(thread: int, kind: int) -> bytes:
    """Return a set of the registers of a thread that this very process traces, and that stands still, as a core's note
    of that kind has it; b"" where there is none."""
    buffer = ctypes.create_string_buffer(_LARGEST_SET)
    vector = _Vector(ctypes.addressof(buffer), _LARGEST_SET)
    try:
        _ptrace(_GETREGSET, thread, kind, ctypes.addressof(vector))
    except OSError:
        return b""
    return buffer.raw[: vector.length]


@contextmanager
def held_threads(pid: int) -> Iterator[HeldThreads]:
    """Hold all threads of a process, those too that begin meanwhile, and let them run on at the end."""
    found = HeldThreads()
    seized: list[int] = []
    try:
        _hold(pid, found, seized)
        yield found
    finally:
        for each in seized:
            try:
                _ptrace(_DETACH, each, 0, found.held.get(each, 0))
            except OSError:
                continue  # it has ended, or runs: the kernel lets go of it when this process ends


def _hold(pid: int, found: HeldThreads, seized: list[int]) -> None:
    known: set[int] = set()
    running = []
    while fresh := _threads(pid) - known:
        known |= fresh
        asked = []
        for each in sorted(fresh):
            try:
                _ptrace(_SEIZE, each, 0, 0)
                seized.append(each)
                _ptrace(_INTERRUPT, each, 0, 0)
                asked.append(each)
            except ProcessLookupError:
                continue
            except OSError as error:
                found.refused = found.refused or os.strerror(error.errno or 0)
                running.append(each)
        if found.refused and not seized:
            break
        running += [each for each in asked if not _waited(each, found)]
    found.running = tuple(running)


def _waited(thread: int, found: HeldThreads) -> bool:
    """Wait until a thread stands still; whether it does, or has ended."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            which, status = os.waitpid(thread, _ALL_KINDS | os.WNOHANG)
        except ChildProcessError:
            return True
        if which and not os.WIFSTOPPED(status):
            return True
        if which:
            signal = os.WSTOPSIG(status)
            is_ours = status >> 16 == _EVENT_STOP or (signal == _TRAP and status >> 16)
            found.held[thread] = 0 if is_ours else signal
            return True
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)


def _threads(pid: int) -> set[int]:
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return set()
    return {int(each) for each in names[:_MOST_THREADS]}


def _ptrace(request: int, thread: int, address: int, data: int) -> None:
    if _call()(request, thread, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@lru_cache(1)
def _call() -> Callable[[int, int, int, int], int]:
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return call
