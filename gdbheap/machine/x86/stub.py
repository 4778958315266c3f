"""The stubs of a PLT on x86-64 and i386."""

from __future__ import annotations

import re

from gdbheap.lazy import regex

# jmp *DISPLACEMENT(%rip); on i386 jmp *SLOT, or jmp *OFFSET(%ebx), which holds where .got.plt begins: behind endbr, a
# bnd before it.
_JUMP = regex(rb"(?:\xf3\x0f\x1e[\xfa\xfb])?\xf2?\xff(?P<how>[\x25\xa3])(?P<number>.{4})", re.DOTALL)
_BY_EBX = b"\xa3"


def stub_slot(code: bytes, address: int, got: int, pointer_size: int) -> int | None:
    """Return the slot that a stub at the address jumps by; None where the code is none."""
    found = _JUMP.match(code)
    if found is None:
        return None
    number = int.from_bytes(found["number"], "little", signed=True)
    if pointer_size == 8:
        return None if found["how"] == _BY_EBX else address + found.end() + number
    return got + number if found["how"] == _BY_EBX else number % (1 << 32)
