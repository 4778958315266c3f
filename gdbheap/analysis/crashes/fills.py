"""Bytes that memory is filled with on purpose: by free and malloc themselves (glibc.malloc.perturb), by other
allocators, by programmers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.pointers import (
    FillUsed,
    MarkUsed,
    PerturbFillUsed,
    PerturbIs,
    SignalAddressIs,
    UnexplainedFillUsed,
)
from gdbheap.process.environment import tunable
from gdbheap.process.fact import Fact

# Words that allocators, debuggers and programmers leave behind on purpose, by their repeating unit; and bytes that they
# fill memory with.
MARKS = frozenset((0xDEADBEEF, 0xBAADF00D, 0xFEEEFEEE, 0xDEADC0DE, 0xCAFEBABE, 0xABADCAFE))
FILLS = frozenset((0xCD, 0xDD, 0xFD, 0x6B, 0xCC, 0xAA, 0x55))
JEMALLOC_FILLS = frozenset((0xA5, 0x5A))


def poison(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    """Yield which fill a pointer is."""
    data = value.to_bytes(crash.pointer_size, "little")
    if len(set(data)) == 1:
        yield from _of_one_byte(crash, data[0], how, address)
        return
    low = int.from_bytes(data[:4], "little")
    if low in MARKS:
        whole = data[:4] * (crash.pointer_size // 4) == data
        sure, found = CERTAIN if whole else LIKELY, MarkUsed(low, whole)
        yield Verdict(Cause.POISON_FILL, sure, address, found, (how,), ("info registers",))


def _of_one_byte(crash: CrashContext, byte: int, how: Fact, address: int) -> Iterator[Verdict]:
    if byte in (0, 0xFF):
        return
    perturb, source = _perturb(crash)
    show = ("show environment MALLOC_PERTURB_",)
    if perturb and byte in (perturb, perturb ^ 0xFF):
        freed = byte == perturb
        evidence = (how, PerturbIs(perturb, source, freed))
        yield Verdict(Cause.POISON_FILL, LIKELY, address, PerturbFillUsed(byte, freed), evidence, show)
        return
    found: Fact
    is_jemalloc = byte in JEMALLOC_FILLS and _has_jemalloc(crash)
    if byte in FILLS or is_jemalloc:
        found = FillUsed(byte, is_jemalloc)
    elif 0x20 <= byte < 0x7F:
        return  # text, rather
    else:
        found = UnexplainedFillUsed(byte, perturb if perturb == 0 else None, source)
    yield Verdict(Cause.POISON_FILL, LIKELY, address, found, (how,), show)


def is_fill(crash: CrashContext, value: int) -> bool:
    """Whether poison() has a name for a pointer of one and the same byte: it is no text then."""
    return any(poison(crash, value, SignalAddressIs(value), value))


def _perturb(crash: CrashContext) -> tuple[int | None, str]:
    """Return the byte that libc fills freed memory with (0: it fills none, None: not known), and who says so."""
    known = crash.heap.layout.statics.get("perturb_byte") if crash.heap is not None else None
    if known is not None:
        return known & 0xFF, "perturb_byte"
    told = tunable(crash.process, "glibc.malloc.perturb", "MALLOC_PERTURB_")
    return (told & 0xFF, "environment") if told is not None else (None, "")


def _has_jemalloc(crash: CrashContext) -> bool:
    return any(os.path.basename(module.path).startswith("libjemalloc") for module in crash.process.modules)
