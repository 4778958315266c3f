"""What speaks for one struct and against another in a block with data behind it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from gdbheap.analysis.types.readings import own_pointers
from gdbheap.analysis.types.slots import PLAIN
from gdbheap.types.type_book import TypeBook
from support.made_types import MadeTypes


def test_a_pointer_to_text_in_the_same_block_leads_behind_the_struct_or_speaks_against_it():
    """Three blocks whose first word leads into themselves: to where a struct of three words ends (its text, made in
    the same call), to a number in its middle, and before the word itself."""
    made = MadeTypes()
    letter = made.scalar("char", 1)
    graph = SimpleNamespace(
        source=np.array([0, 1, 2], np.int32),
        target=np.array([0, 1, 2], np.int32),
        place=np.array([0, 0, 8], np.uint32),
        offset=np.array([24, 8, 0], np.uint64),
    )
    state = SimpleNamespace(
        graph=graph,
        layouts=SimpleNamespace(pointer_size=8),
        begin=np.array([0, 1, 2, 3]),
        degree=np.ones(3, np.int64),
        book=TypeBook(made.catalogue()),
        edges_of=lambda blocks: blocks,
    )
    layout = SimpleNamespace(codes=np.array([letter, PLAIN, PLAIN]), size=24)
    behind, inside = own_pointers(state, np.arange(3), layout)
    assert behind.tolist() == [True, False, False]
    assert inside.tolist() == [False, True, False]
