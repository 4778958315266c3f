"""The kernel's frame for a signal handler: as x86-64 and i386 kernels lay it out."""

from __future__ import annotations

import struct

import pytest

from gdbheap.machine.x86.signal_frame import read_signal_frame
from gdbheap.process.memory import ImageMemory, Words

AT = 0x7FFE0000


def frame_64(number, stack, size):
    context = struct.pack("<QQQQQ", 7, 0, stack, 0, size).ljust(304, b"\0")
    return context + struct.pack("<iii", number, 0, 0).ljust(128, b"\0")


def frame_32(number, stack, size, asked_for_info):
    if not asked_for_info:
        return struct.pack("<I", number).ljust(512, b"\xa5")
    info = AT + 12
    head = struct.pack("<III", number, info, info + 128)
    context = struct.pack("<IIIII", 0, 0, stack, 0, size)
    return (head + struct.pack("<iii", number, 0, 0).ljust(128, b"\0") + context).ljust(512, b"\0")


@pytest.mark.parametrize(
    ("word", "data", "wanted"),
    [
        (8, frame_64(10, 0x5000, 0x10000), (None, (0x5000, 0x15000))),
        (8, frame_64(11, 0, 0), (None, None)),
        (8, frame_64(0, 0x5000, 0x10000), (None, (0x5000, 0x15000))),
        (4, frame_32(10, 0x5000, 0x2000, True), (10, (0x5000, 0x7000))),
        (4, frame_32(10, 0x5000, 0x2000, False), (10, None)),
        (4, frame_32(999, 0, 0, False), (None, None)),
        (8, b"\0" * 16, (None, None)),
    ],
)
def test_the_frame_tells_the_signal_and_the_alternate_stack(word, data, wanted):
    found = read_signal_frame(Words(ImageMemory([(AT, data)]), word), word, AT)
    assert (found.number, found.alternate) == wanted
