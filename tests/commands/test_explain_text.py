"""What `explain` takes for a text: no pointer whose bytes happen to be letters."""

from __future__ import annotations

from gdbheap.commands.explain import _text_at
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

# The bytes of a pointer to there are "noUUUU".
START = 0x555555556000
PROGRAM = VMA(START, START + 0x2000, "r-xp")


def test_a_pointer_of_a_table_is_no_text_and_a_literal_is_one():
    words = [0x555555556F6E.to_bytes(8, "little"), b"of mine\0"]
    space = AddressSpace((PROGRAM,), "maps")
    process = Process("live", X86_64, ImageMemory([(START, b"".join(words) + bytes(64))]), space, ())
    assert [_text_at(process, START), _text_at(process, START + 8)] == ["", '"of mine"']
    # Where nothing is mapped there, it is text.
    elsewhere = Process("live", X86_64, process.memory, AddressSpace((VMA(0x1000, 0x2000, "r--p"),), "maps"), ())
    assert _text_at(elsewhere, START) == '"noUUUU"'
