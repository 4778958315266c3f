"""Pointers to text behind a header that says how long it is: the headers of real string libraries, and what only looks
like them."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gdbheap.analysis.objects.counted_text import leads_to_counted_text
from gdbheap.process.memory import ImageMemory

START, ROOM = 0x10010, 0x400
LONG = b"x" * 300


def leads(blocks: list[tuple[bytes, int]], pointer_size: int = 8) -> list[bool]:
    """Return what is said of a pointer to the offset in each block of these first bytes."""
    data = b"".join(block.ljust(ROOM, b"\xee") for block, _ in blocks)
    process: Any = SimpleNamespace(memory=ImageMemory([(START, data)]), pointer_size=pointer_size)
    start = START + ROOM * np.arange(len(blocks), dtype=np.uint64)
    usable = np.array([max((len(block) + 7) // 16 * 16 + 8, 24) for block, _ in blocks], np.uint64)
    columns: Any = SimpleNamespace(start=start, end=start + usable)
    offset = np.array([offset for _, offset in blocks], np.uint64)
    words = [
        np.frombuffer(data, f"u{pointer_size}")[at * ROOM // pointer_size :][: 16 // pointer_size]
        for at in range(len(blocks))
    ]
    found = leads_to_counted_text(process, columns, np.arange(len(blocks), dtype=np.int32), offset, np.array(words))
    return [bool(each) for each in found]


def sds(text: bytes, form: str, flags: int) -> bytes:
    """Return redis' header of this form (the types of length and allocation) and the text."""
    return struct.pack(f"<{form}{form}B", len(text), len(text) + 10, flags) + text + b"\0" + 10 * b"\xee"


@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize(
    ("block", "offset"),
    [
        (bytes([len("key:1072") << 3]) + b"key:1072\0", 1),  # sdshdr5
        (sds(b"value of a key", "B", 1), 3),
        (sds(LONG, "H", 2), 5),
        (sds(LONG, "I", 3), 9),
        (sds(LONG, "Q", 4), 17),
        (b"\x05hello\0", 1),  # a Pascal string with a zero behind it
        (struct.pack("<QI", 7, len("bstring")) + b"bstring\0", 12),  # a BSTR behind something else
    ],
    ids=["sds 5", "sds 8", "sds 16", "sds 32", "sds 64", "pascal", "bstr"],
)
def test_headers_that_tell_the_length_are_known(block, offset, pointer_size):
    assert leads([(block, offset)], pointer_size) == [True]


@pytest.mark.parametrize(
    ("block", "offset"),
    [
        (b"\x06hello\0", 1),  # one too many
        (b"\x04hello\0", 1),  # one too few
        (sds(b"value of a key", "B", 1), 4),  # into the text
        (b"\x03\x01\x02\0", 1),  # no text
        (b"\x00\0", 1),  # nothing
        (b"hello\0", 2),  # text without a header
        (b"\x05" + bytes(24) + b"hello\0", 25),  # bytes far before it
        (bytes(16) + struct.pack("<Q", 0x55555569_9C05), 17),  # a pointer
        (b"\x05hello\0" + bytes(80), 1),  # in a block of another size
        (struct.pack("<Q", ROOM) + b"x" * (ROOM - 8), 8),  # as long as the block, and no end
    ],
    ids=["longer", "shorter", "inside", "bytes", "empty", "headless", "far", "pointer", "roomy", "endless"],
)
def test_what_only_looks_like_one_is_not(block, offset):
    assert leads([(block, offset)]) == [False]


def test_each_pointer_is_judged_by_its_own_block():
    block = sds(b"value of a key", "B", 1)
    assert leads([(block, 3), (b"\x06hello\0", 1), (block, 5), (b"\x05hello\0", 1)]) == [True, False, False, True]
