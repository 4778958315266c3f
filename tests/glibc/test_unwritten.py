"""Which blocks begin with what malloc left in them, by the free lists' own encodings (malloc.c: PROTECT_PTR,
tcache_get, unlink_chunk)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gdbheap.glibc.chunk_table import ChunkTable, State
from gdbheap.glibc.unwritten import unwritten
from support.made_process import HEAP, made_heap

SIZE = 0x40
FIRST, SECOND, OTHER = HEAP, HEAP + SIZE, HEAP + 2 * SIZE


def marked(words: tuple[int, int], safe_linking: bool = True) -> bool:
    """Return whether the first of three blocks is marked where it begins with these words; the third is of another
    size."""
    made = made_heap()
    state = dataclasses.replace(made.layout.malloc_state, size=0x898)
    layout = dataclasses.replace(made.layout, safe_linking=safe_linking, malloc_state=state)
    rows = [(FIRST, SIZE, 1, State.IN_USE, 0), (SECOND, SIZE, 1, State.IN_USE, 0), (OTHER, 0x60, 1, State.IN_USE, 0)]
    types = (np.uint64, np.uint64, np.uint8, np.uint8, np.uint16)
    table = ChunkTable(*(np.array(column, dtype) for column, dtype in zip(zip(*rows), types)))
    view = dataclasses.replace(made, layout=layout, table=table)
    head = np.array([words, (1, 1), (1, 1)], np.uint64)
    found = unwritten(view, view.blocks(), head).tolist()
    assert found[1:] == [False, False]
    return found[0]


MEM = FIRST + 0x10
ARENA_STATE = 0x404100


@pytest.mark.parametrize(
    "words",
    [
        (MEM >> 12, 0),  # was the last of its tcache's list
        ((MEM >> 12) ^ (SECOND + 0x10), 0),  # was followed by one of its size
        (ARENA_STATE + 0x60, ARENA_STATE + 0x60),  # was alone in its bin
        (SECOND, ARENA_STATE + 0x60),  # was the last in its bin
    ],
)
def test_what_a_free_list_leaves_is_seen(words):
    assert marked(words)


@pytest.mark.parametrize(
    "words",
    [
        (0, 0),  # fresh, or cleared
        (SECOND + 0x10, 0),  # a pointer of the program's
        (MEM >> 12, 7),  # written since: the key is zero when tcache_get() returns
        ((MEM >> 12) ^ (OTHER + 0x10), 0),  # no list has two sizes
        (ARENA_STATE + 0x60, 7),
        (ARENA_STATE + 0x898, ARENA_STATE + 0x898),  # past the arena
    ],
)
def test_what_the_program_has_written_is_not(words):
    assert not marked(words)


def test_plain_links_before_safe_linking_are_not_told_from_the_programs_pointers():
    assert not marked((SECOND + 0x10, 0), safe_linking=False)
