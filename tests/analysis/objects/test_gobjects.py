"""Instances of GLib's types, laid out as gobject/gtype.c lays them out (struct _TypeNode, _InstanceData), and what else
points to their classes."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.objects.block_words import read_block_words
from gdbheap.analysis.objects.gobjects import GObjects
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Module, ModuleSegment, Process

LIBRARY, TEXTS, TABLE, NODES, HEAP = 0x7000_0000, 0x1000_0000, 0x1001_0000, 0x1010_0000, 0x2000_0000
ROOM = 0x500
NAMES = ["GObject", "GInitiallyUnowned", "one", "two", "three", "four", "five", "six", "Plain", "Private"]
FUNDAMENTAL = 20 << 2


def words(*each: int) -> bytes:
    return struct.pack(f"<{len(each)}Q", *each)


def types() -> list[tuple[int, bytes]]:
    """Return the memory of libglib's table of names, and of the types Plain and Private: nodes and their data."""
    texts = b"".join(name.encode().ljust(32, b"\0") for name in NAMES).ljust(0x1000, b"\0")
    table = words(0, *(TEXTS + 32 * at for at in range(len(NAMES)))).ljust(2048 * 8, b"\0")
    nodes = bytearray(0x1000)
    for at, (name, instance, private) in enumerate([("Plain", 40, 0), ("Private", 40, 24)]):
        place, data, its_class = 0x800 * at, 0x800 * at + 0x200, HEAP + ROOM * at
        node = words(1, 0, 2 << 32, 0, NODES + data, NAMES.index(name) + 1, 0, NODES + place, FUNDAMENTAL)
        its_data = words(LIBRARY, 136, 0, 0, 0, 0, 0, its_class, instance | private << 16, 0)
        nodes[place : place + len(node)] = node
        nodes[data : data + len(its_data)] = its_data
    return [(TEXTS, texts), (TABLE, table), (NODES, bytes(nodes)), (LIBRARY, words(0, TABLE).ljust(64, b"\0"))]


PLAIN, PRIVATE = HEAP, HEAP + ROOM
# The blocks behind the two classes: bytes, what malloc's block has room for, and the name.
CASES = {
    "an instance": (words(PLAIN, 1, 0, 7, 7), 40, "Plain"),
    "one in a block of the next larger size": (words(PLAIN, 1, 0, 7, 7), 56, "Plain"),
    "one behind its private data": (words(5, 6, 7, PRIVATE, 1, 0, 7, 7), 72, "Private"),
    "one without the private data that its type has": (words(PRIVATE, 1, 0, 7, 7), 40, ""),
    "one behind what its type does not have": (words(5, 6, 7, PLAIN, 1, 0, 7, 7), 72, ""),
    "a slab of them": (words(PLAIN, 1, 0, 7, 7, 0) * 20, 1016, ""),
    "what is too small": (words(PLAIN, 1, 0), 24, ""),
    "a type's data": (words(LIBRARY, 136, 0, 0, 0, 0, 0, PLAIN, 40, 0), 88, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_an_instance_has_the_place_and_the_size_that_its_type_tells(case):
    data, usable, expected = CASES[case]
    classes = words(NODES).ljust(ROOM, b"\0") + words(NODES + 0x800).ljust(ROOM, b"\0")
    memory = ImageMemory([*types(), (HEAP, classes + data.ljust(ROOM, b"\0"))])
    start = HEAP + ROOM * np.arange(3, dtype=np.uint64)
    usables = np.array([136, 136, usable], np.uint64)
    blocks = Blocks(start, start + usables, usables + np.uint64(8), np.arange(3))
    segment = ModuleSegment(LIBRARY, LIBRARY + 64, LIBRARY + 64, "rw-")
    modules = tuple(Module(f"/usr/lib/lib{name}-2.0.so.0", None, 0, "", (segment,)) for name in ("glib", "gobject"))
    space = AddressSpace((VMA(LIBRARY, LIBRARY + 0x1000, "rw-p", path=modules[0].path),))
    process = Process("core", X86_64, memory, space, (), modules=modules)
    given = read_block_words(memory, blocks, np.arange(3), space, X86_64)
    labels = Labels(3)
    GObjects(Lookup(process, lambda _: None)).name(given, labels)
    assert [labels.names[at] if at >= 0 else "" for at in labels.label.tolist()] == ["", "", expected]
