"""Bytes that memory is filled with on purpose: by free and malloc themselves (glibc.malloc.perturb), by other
allocators, by programmers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.errors import MemoryFault

# Words that allocators, debuggers and programmers leave behind on purpose, by their repeating unit.
_POISONS = {
    0xDEADBEEF: "0xdeadbeef, a programmer's mark",
    0xBAADF00D: "0xbaadf00d, uninitialised memory of a debug allocator",
    0xFEEEFEEE: "0xfeeefeee, freed memory of a debug allocator",
    0xDEADC0DE: "0xdeadc0de, a programmer's mark",
    0xCAFEBABE: "0xcafebabe, a programmer's mark",
    0xABADCAFE: "0xabadcafe, a programmer's mark",
}
_POISON_BYTES = {
    0xCD: "0xcd, uninitialised memory of a debug allocator",
    0xDD: "0xdd, freed memory of a debug allocator",
    0xFD: "0xfd, a debug allocator's fence",
    0x6B: "0x6b, a freed-object fill",
    0xCC: "0xcc, uninitialised memory of a debug build",
    0xAA: "0xaa, a fill pattern",
    0x55: "0x55, a fill pattern",
}
_JUNK = {
    0xA5: "0xa5, fresh memory of jemalloc's junk filling",
    0x5A: "0x5a, freed memory of jemalloc's junk filling",
}
_PERTURB = re.compile(rb"(?:^|\0)(?:MALLOC_PERTURB_|GLIBC_TUNABLES=[^\0]*?glibc\.malloc\.perturb)=(\d+|0x[0-9a-fA-F]+)")
# The environment ends where the program's own name begins (AT_EXECFN); so much of it is looked through.
_EXECFN = 31
_MOST_ENVIRONMENT = 1 << 17


def poison(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    """Yield which fill a pointer is."""
    data = value.to_bytes(crash.pointer_size, "little")
    if len(set(data)) == 1:
        yield from _of_one_byte(crash, data[0], how, address)
        return
    low = int.from_bytes(data[:4], "little")
    if low in _POISONS:
        whole = data[:4] * (crash.pointer_size // 4) == data
        sure, part = (CERTAIN, "the pointer") if whole else (LIKELY, "the pointer's lower half")
        yield Verdict("poison_fill", sure, address, f"{part} is {_POISONS[low]}", (how,), ("info registers",))


def _of_one_byte(crash: CrashContext, byte: int, how: str, address: int) -> Iterator[Verdict]:
    if byte in (0, 0xFF):
        return
    perturb, source = _perturb(crash)
    show = ("show environment MALLOC_PERTURB_",)
    if perturb and byte in (perturb, perturb ^ 0xFF):
        freed = byte == perturb
        does = "free fills what it frees with it" if freed else "malloc fills fresh blocks with its complement"
        came = "was read from a block that has been freed" if freed else "was never written since malloc"
        summary = f"the pointer is {byte:#04x} in every byte, a fill of malloc's own: it {came}"
        fact = f"{source} is {perturb:#04x}: {does}"
        yield Verdict("poison_fill", LIKELY, address, summary, (how, fact), show)
        return
    known = {**_POISON_BYTES, **(_JUNK if _has_jemalloc(crash) else {})}.get(byte)
    if known is None and 0x20 <= byte < 0x7F:
        return  # text, rather
    if known is None and perturb == 0:
        known = f"{byte:#04x} in every byte (not by malloc: {source} is 0)"
    if known is None:
        known = f"{byte:#04x} in every byte, as MALLOC_PERTURB_={byte} (freed) or {byte ^ 0xFF} (fresh) fills memory"
    yield Verdict("poison_fill", LIKELY, address, f"the pointer is a fill: {known}", (how,), show)


def is_fill(crash: CrashContext, value: int) -> bool:
    """Whether poison() has a name for a pointer of one and the same byte: it is no text then."""
    return any(poison(crash, value, "", value))


def _perturb(crash: CrashContext) -> tuple[int | None, str]:
    """Return the byte that libc fills freed memory with (0: it fills none, None: not known), and who says so."""
    known = crash.heap.layout.statics.get("perturb_byte") if crash.heap is not None else None
    if known is not None:
        return known & 0xFF, "libc's perturb_byte"
    match = _PERTURB.search(_environment(crash))
    return (int(match[1], 0) & 0xFF, "malloc's perturb in the environment") if match is not None else (None, "")


def _environment(crash: CrashContext) -> bytes:
    """Return the strings that the process was started with, as they lie in front of the name of its program; b""
    where this is not known."""
    end = crash.process.auxv.get(_EXECFN)
    stack = crash.vma(end) if end else None
    if end is None or stack is None:
        return b""
    start = max(stack.start, end - _MOST_ENVIRONMENT)
    try:
        return crash.process.memory.read(start, end - start)
    except MemoryFault:
        return b""


def _has_jemalloc(crash: CrashContext) -> bool:
    return any(os.path.basename(module.path).startswith("libjemalloc") for module in crash.process.modules)
