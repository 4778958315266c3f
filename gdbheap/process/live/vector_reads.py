"""Many pieces of another process's memory read by few calls, without the page in between that /proc/PID/mem takes
(process_vm_readv, man 2 process_vm_readv)."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence

# UIO_MAXIOV: one call takes no more pieces; and no more bytes than MAX_RW_COUNT.
_MOST_PIECES = 1 << 10
_MOST_BYTES = 1 << 30


def read_spans(pid: int, spans: Sequence[tuple[int, int]], buffer: memoryview) -> int:
    """Fill the buffer with the memory of the spans, one behind the other; return how many bytes of it are filled: all,
    or fewer where one cannot be read, or the kernel refuses."""
    call = getattr(ctypes.CDLL(None), "process_vm_readv", None)
    if call is None or not len(buffer):
        return 0
    call.restype, word = ctypes.c_ssize_t, ctypes.c_ulong
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, word, ctypes.c_void_p, word, word]
    into = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    done = 0
    for pieces in _groups(spans):
        size = sum(pieces[1::2])
        local = array("Q", (into + done, size))
        remote = array("Q", pieces)
        got = call(pid, local.buffer_info()[0], 1, remote.buffer_info()[0], len(pieces) // 2, 0)
        done += max(got, 0)
        if got != size:
            break
    return done


def _groups(spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return address and length of each piece, in groups that one call takes."""
    groups: list[list[int]] = []
    room = pieces = 0
    for start, end in spans:
        while start < end:
            if not room or not pieces:
                groups.append([])
                room, pieces = _MOST_BYTES, _MOST_PIECES
            size = min(end - start, room)
            groups[-1] += (start, size)
            start, room, pieces = start + size, room - size, pieces - 1
    return groups
