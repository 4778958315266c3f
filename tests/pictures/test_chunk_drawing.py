"""A chunk as it lies in memory, whole; and a pointer that reads as a text is shown as a pointer."""

from __future__ import annotations

import pytest

from gdbheap.analysis.addresses.preview import preview
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.pictures.chunk_drawing import chunk_lines
from gdbheap.report.charset import in_charset
from gdbheap.report.line_text import line_text
from gdbheap.report.paint import plain
from support.made_process import HEAP, made_heap


def test_a_free_chunk_with_its_links_and_what_follows():
    chunk, after = Chunk(HEAP, 0x40, 1, State.SMALL, 0), Chunk(HEAP + 0x40, 0x300, 0, State.IN_USE, 0)
    links = [("fd", 0x1003000), ("bk", 0)]
    drawn = "".join(line_text(each, 80, plain) for each in chunk_lines(made_heap(), chunk, (0, 0x41), links, after))
    assert drawn == (
        "0x1000000 ┌ prev_size   0x0: the data of the chunk before\n"
        "0x1000008 ├ size        0x40 (64 B), flags A=0 M=0 P=1\n"
        "0x1000010 │ fd          → 0x1003000\n"
        "0x1000018 │ bk          → the end of its list\n"
        "0x1000040 └ after       0x300 in use\n"
    )
    assert in_charset(drawn, "ascii").isascii() and "+ size" in in_charset(drawn, "ascii")


class Bytes:
    """A chunk's memory, and which address beside it can be read."""

    def __init__(self, data: bytes, mapped: int) -> None:
        self._data, self._mapped = data, mapped

    def read(self, address: int, size: int) -> bytes:
        if address == HEAP + 16:
            return self._data[:size]
        if address == self._mapped:
            return bytes(size)
        raise MemoryFault(address, size)


@pytest.mark.parametrize(
    ("word", "mapped", "said"),
    [
        (b"p}UUUU\0\0", 0x555555557D70, "0x555555557d70 0x0 0x0"),
        (b"p}UUUU\0\0", 0, '"p}UUUU"'),
        (b"a text\0\0", 0x555555557D70, '"a text"'),
        (b"a longer", 0, '"a longer"'),
    ],
)
def test_a_pointer_is_not_shown_as_a_text(word, mapped, said):
    chunk = Chunk(HEAP, 0x40, 1, State.IN_USE, 0)
    assert preview(Bytes(word.ljust(48, b"\0"), mapped), made_heap().layout, chunk, lambda _: None) == said
