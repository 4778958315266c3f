"""Text in wide letters, from the bytes that programs keep."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.objects.block_words import WORDS, BlockWords
from gdbheap.analysis.objects.labels import NO_LABEL, Labels
from gdbheap.analysis.objects.wide_text import name_wide_text


def name_of(data: bytes, pointer_size: int = 8) -> str:
    room = WORDS * pointer_size
    words = np.frombuffer(data[:room].ljust(room, b"\0"), f"<u{pointer_size}").astype(np.uint64).reshape(1, WORDS)
    one = np.zeros(1, np.uint64)
    blocks = Blocks(one, one + np.uint64(room), one + np.uint64(room), np.zeros(1, np.intp))
    given = BlockWords(blocks, np.zeros(1, np.intp), words, one + np.uint64(room), words > words, pointer_size)
    labels = Labels(1)
    name_wide_text(given, labels)
    return "" if labels.label[0] == NO_LABEL else labels.names[labels.label[0]]


@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize(("encoding", "name"), [("utf-16-le", "UTF-16 text"), ("utf-32-le", "UTF-32 text")])
@pytest.mark.parametrize(
    "text", ["a wide name\0", "Hello\0", "a text that is longer than all that is looked at of it, by far"]
)
def test_letters_of_two_bytes_and_of_four_are_text(text, encoding, name, pointer_size):
    assert name_of(text.encode(encoding), pointer_size) == name


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"plain letters of one byte\0", id="one byte"),
        pytest.param(struct.pack("<16H", *range(40, 56)), id="small numbers"),
        pytest.param(struct.pack("<16I", *range(32, 48)), id="small numbers of four bytes"),
        pytest.param("abc\0".encode("utf-16-le"), id="too short"),
        pytest.param("letters and then".encode("utf-16-le") + b"\xff\x01", id="no zero behind it"),
        pytest.param(b"", id="zeros"),
        pytest.param(struct.pack("<4Q", 0x61, 0x62, 0x63, 0x64), id="longs"),
    ],
)
def test_what_is_no_text_has_no_name(data):
    assert name_of(data) == ""
