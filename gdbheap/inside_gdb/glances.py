"""Many small places in a running process's memory, read at once and again and again: a glance takes less time than the
program's next few calls of malloc."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any


class _Place(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Glances:
    """The places (address, size) of the process `pid`: 1,024 at most (the kernel's UIO_MAXIOV)."""

    def __init__(self, pid: int, places: Sequence[tuple[int, int]]) -> None:
        self._pid = pid
        self._size = sum(size for _, size in places)
        self._buffer = ctypes.create_string_buffer(max(self._size, 1))
        self._theirs = (_Place * len(places))(*(_Place(*each) for each in places))
        self._ours = _Place(ctypes.addressof(self._buffer), self._size)

    def now(self) -> memoryview:
        """Return the bytes of all places, one after another, as they are at this moment; none where one cannot be
        read. They are good until the next glance."""
        count = _readv()(self._pid, ctypes.byref(self._ours), 1, self._theirs, len(self._theirs), 0)
        return memoryview(self._buffer).cast("B")[: self._size if count == self._size else 0]


@lru_cache(maxsize=1)
def _readv() -> Any:
    function = ctypes.CDLL(None).process_vm_readv
    function.restype = ctypes.c_ssize_t
    pointer, count = ctypes.c_void_p, ctypes.c_ulong
    function.argtypes = (ctypes.c_int, pointer, count, pointer, count, count)
    return function
