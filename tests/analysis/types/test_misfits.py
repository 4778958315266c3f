"""Which objects are overwritten: those without an address where the program keeps one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.misfits import find_misfits
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from gdbheap.types.typed_root import RootKind, TypedRoot
from support.made_types import MadeTypes, field

START, ROOM, GARBAGE = 0x7000_0000, 0x20, 0x4141414141414141


VARIABLE, LOCAL = 0x1000, 0x9000


def misfits(
    objects: list[tuple[int, int]],
    confidence: Confidence = Confidence.LIKELY,
    place: int = VARIABLE,
    alternatives: Sequence[int] = (),
) -> list[int]:
    """Return the overwritten ones of these (used, unused) nodes, of which other nodes' `used` tell. `place` is where
    the first's variable lies."""
    made = MadeTypes()
    node = made.declare()
    pointer = made.pointer(node)
    made.define(node, "node", 16, field("used", 0, pointer), field("unused", 8, pointer))
    count = len(objects)
    memory = b"".join(struct.pack("<QQQQ", *words, 0, 0) for words in objects)
    start = START + ROOM * np.arange(count, dtype=np.uint64)
    none = np.zeros(0, np.int32)
    held = SimpleNamespace(
        blocks=SimpleNamespace(start=start, end=start + ROOM),
        graph=SimpleNamespace(source=none, target=none, place=none, offset=none),
    )
    types = SimpleNamespace(
        catalogue=made.catalogue(),
        type=np.full(count, node, np.int32),
        count=np.zeros(count, np.int32),
        part=np.zeros(count, np.uint32),
        confidence=np.full(count, confidence, np.uint8),
        how=np.full(count, How.MEMBER, np.uint8),
        parent=np.full(count, -1, np.int32),
        parent_place=np.array([place] + [0] * (count - 1), np.uint64),
        alternatives=dict.fromkeys(alternatives, (node,)),
        roots=(TypedRoot("kept", pointer, VARIABLE), TypedRoot("it", pointer, LOCAL, RootKind.LOCAL)),
        dead=np.zeros(0, np.bool_),
    )
    image = ImageMemory([(START, memory)])
    process = Process("core", X86_64, image, AddressSpace((VMA(START, START + len(memory), "rw-p"),)), ())
    return [each.block for each in find_misfits(process, held, types)]


@pytest.mark.parametrize("place", [0, 4, 19])
def test_an_object_overwritten_where_others_hold_addresses_is_told(place):
    nodes = [(START, 0)] * 20
    nodes[place] = (GARBAGE, 0)
    assert misfits(nodes) == [place]


def test_what_lay_there_before_a_member_that_no_object_uses_is_no_fault():
    nodes = [(START, 0)] * 20
    nodes[4] = (START, GARBAGE)
    assert misfits(nodes) == []


def test_of_few_objects_each_is_told():
    assert misfits([(START, 0), (START, GARBAGE)]) == [1]


def test_what_its_own_bytes_speak_against_is_told_where_a_lasting_variable_says_its_type():
    """A local variable may be stale, what may be of several types is not known to be overwritten, and where no pointer
    leads anywhere, a variable was left behind that led to another object."""
    overwritten, doubted = [(GARBAGE, START)], Confidence.POSSIBLE
    assert misfits(overwritten, doubted, VARIABLE) == [0]
    assert misfits(overwritten, doubted, LOCAL) == []
    assert misfits(overwritten, doubted, VARIABLE, alternatives=[0]) == []
    assert misfits([(GARBAGE, GARBAGE)], doubted, VARIABLE) == []
