"""What the tests that hold the models to reality must know of the machine that they run on."""

from __future__ import annotations

import os
import platform

_IS_AARCH64 = platform.machine() == "aarch64"

PAGE = os.sysconf("SC_PAGESIZE")
# The sizes of pointers that programs here can have.
POINTER_SIZES = (8,) if _IS_AARCH64 else (8, 4)
# What instructions are aligned to, in bytes.
INSTRUCTION = 4 if _IS_AARCH64 else 1
# See ModelPages.
FETCHES_BY_READING = not _IS_AARCH64


def highest_address(pointer_size: int, stack_end: int) -> int:
    """Return TASK_SIZE: of x86-64 with four levels of page tables, of i386 on it (IA32_PAGE_OFFSET), of aarch64 with as
    many bits of address as the end of the stack tells."""
    if _IS_AARCH64:
        return 1 << (stack_end - 1).bit_length()
    return (1 << 47) - PAGE if pointer_size == 8 else 0xFFFF_E000
