"""Where the main arena's first chunk lies, by mp_.sbrk_base and by what the kernel names [heap]."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gdbheap.glibc.main_arena import first_chunk
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

LAYOUT: Any = SimpleNamespace(pointer_size=8, alignment=16, header=16)
BSS, HEAP, TOP, SIZE = 0x5555_5555_9000, 0x5555_5586_D000, 0x5555_5599_B000, 0x12F000


@pytest.mark.parametrize("names_bss", [False, True], ids=["since Linux 6.6", "before: the bss is [heap], too"])
@pytest.mark.parametrize(("base", "moved"), [(HEAP, 0), (HEAP, 0x9000), (HEAP + 0x20, 0x9000), (0x1234, 0)])
def test_the_bss_before_the_heap_is_none_of_it(names_bss: bool, base: int, moved: int) -> None:
    """Contiguous or not (somebody else has `moved` the break), and where mp_ was overwritten."""
    space = AddressSpace(
        [VMA(BSS, HEAP, "rw-p", path="[heap]" if names_bss else ""), VMA(HEAP, HEAP + SIZE, "rw-p", path="[heap]")]
    )
    top = (HEAP + SIZE - TOP | 1).to_bytes(8, "little")
    process = Process("core", X86_64, ImageMemory([(TOP + 8, top)]), space, ())
    arena: Any = {"top": TOP, "system_mem": SIZE - moved}
    parameters: Any = {"sbrk_base": base}
    assert first_chunk(process, LAYOUT, arena, parameters) == (base if base in space.vmas[-1] else HEAP)
