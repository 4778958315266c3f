"""What lies in buffers of bytes holds nothing that anything else does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from gdbheap.analysis.retained.buffers import edges_of_buffers
from gdbheap.analysis.types.block_types import Role
from gdbheap.types.catalogue import NONE
from support.made_types import MadeTypes, field


def test_only_what_a_pointer_to_data_leads_to_is_a_buffer():
    made = MadeTypes()
    letter, anything = made.pointer(made.scalar("char", 1)), made.pointer()
    item = made.struct("item", 8)
    holder = made.struct(
        "holder", 32, field("text", 0, letter), field("any", 8, anything), field("item", 16, made.pointer(item))
    )
    several = made.array(letter, 4)
    # Blocks 0 to 3: what the three members and an array's second element lead to; 4: the same as 0, but typed; 5:
    # nothing; 6 to 8: what variables lead to, one of characters, one of an item, and one of
    # characters that leads to a typed block.
    roles = (Role(holder, 0), Role(holder, 8), Role(holder, 16), Role(several, 8, "texts"))
    types = SimpleNamespace(
        catalogue=made.catalogue(),
        roles=roles,
        role=np.array([0, 1, 2, 3, 0, NONE, NONE, NONE, NONE]),
        type=np.array([NONE, NONE, NONE, NONE, item, NONE, NONE, NONE, item]),
    )
    words = SimpleNamespace(place=np.array([0x100, 0x108, 0x110], np.uint64), target=np.array([6, 7, 8], np.int32))
    groups = SimpleNamespace(
        starts=np.array([0x100, 0x108, 0x110], np.uint64),
        of_word=np.arange(3),
        types=np.array([letter, made.pointer(item), holder]),
    )
    held = SimpleNamespace(graph=SimpleNamespace(source=np.arange(9)), from_roots=words)
    assert edges_of_buffers(held, groups, types).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]


def test_every_element_of_a_large_array_of_pointers_to_data_leads_to_a_buffer():
    made = MadeTypes()
    entry = made.struct(
        "entry", 16, field("any", 0, made.pointer()), field("text", 8, made.pointer(made.scalar("char", 1)))
    )
    table, count = made.array(made.array(entry, 5), 20_000), 200_000
    types = SimpleNamespace(catalogue=made.catalogue(), roles=(), role=np.full(count, NONE), type=np.full(count, NONE))
    place = np.uint64(0x1000) + np.uint64(8) * np.arange(count, dtype=np.uint64)
    words = SimpleNamespace(place=place, target=np.arange(count, dtype=np.int32))
    groups = SimpleNamespace(
        starts=np.array([0x1000], np.uint64), of_word=np.zeros(count, np.intp), types=np.array([table])
    )
    held = SimpleNamespace(graph=SimpleNamespace(source=np.arange(count)), from_roots=words)
    assert (edges_of_buffers(held, groups, types) == (np.arange(count) % 2 == 1)).all()
