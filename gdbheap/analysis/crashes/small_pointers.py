"""Pointers that are small numbers, or negative ones: NULL, members of objects at NULL, an errno."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.pointers import (
    ErrnoUsed,
    MadeOf,
    NearNullUsed,
    NegativeUsed,
    NullIndexed,
    NullUsed,
    PartOfNullUsed,
)
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.instruction import MemoryOperand
from gdbheap.process.fact import Fact

_LAST_ERRNO = 4095
_KNOWN_ERRNO = 133
_UP = ("up", "info locals")


def is_small(address: int, pointer_size: int) -> bool:
    """Whether the address is near 0, from either side."""
    return address < NULL_ZONE or address >= (1 << 8 * pointer_size) - NULL_ZONE


def made_of(access: MemoryOperand) -> Fact:
    """Return how the operand's address came about."""
    return MadeOf(
        access.text,
        access.address,
        access.base,
        access.base_value,
        access.index,
        access.index_value,
        access.scale,
    )


def small_pointers(crash: CrashContext, access: MemoryOperand, made: Fact) -> Iterator[Verdict]:
    """Yield what addresses near 0 tell, from either side, and those that were made from a NULL base; `made` is how the
    address came about."""
    if access.base == crash.process.machine.stack_pointer:
        return  # no pointer of the program's
    address, top = access.address, 1 << 8 * crash.pointer_size
    array = crash.null_array()
    base = 0 if array is not None else _base(access)
    evidence = (made, *crash.expressions(base, address))
    offset = Cause.NULL_PLUS_OFFSET
    if address == 0:
        yield Verdict(Cause.NULL_POINTER, CERTAIN, 0, NullUsed(access.access), evidence, _UP)
    elif address < NULL_ZONE and array is None and 0 < base < NULL_ZONE:
        yield Verdict(offset, LIKELY, address, NearNullUsed(base), evidence, _UP)
    elif address < NULL_ZONE:
        found = PartOfNullUsed(array is not None, address, access.access)
        yield Verdict(offset, CERTAIN if access.base else LIKELY, address, found, evidence, _UP)
    elif access.base and not access.base_value and access.index and not crash.is_kernels(address):
        indexed = NullIndexed(access.index_value, access.scale, address)
        yield Verdict(offset, LIKELY, address, indexed, evidence, _UP)
    elif array is not None and crash.vma(address) is None and not is_small(address, crash.pointer_size):
        yield Verdict(offset, LIKELY, address, NullIndexed(None, None, address), evidence, _UP)
    if address >= top - NULL_ZONE:
        yield from _negative(crash, access, evidence)


def _base(access: MemoryOperand) -> int:
    """Return the value of the pointer that the operand went through: where no register holds it, the compiler knew
    that it is NULL."""
    return access.base_value if access.base else 0 if access.address < NULL_ZONE else access.address


def _negative(crash: CrashContext, access: MemoryOperand, evidence: tuple[Fact, ...]) -> Iterator[Verdict]:
    top = 1 << 8 * crash.pointer_size
    base = access.base_value if access.base else access.address
    value = base if base >= top - _LAST_ERRNO else access.address
    number = top - value
    if base != 0 and 0 < number <= _KNOWN_ERRNO and number in errno.errorcode:
        # With something added it may as well be an object around NULL (container_of), whose member was wanted.
        sure = LIKELY if access.address == value else POSSIBLE
        yield Verdict(Cause.ERRNO_AS_POINTER, sure, access.address, ErrnoUsed(number), evidence, _UP)
    found = NegativeUsed(access.address - top, None if base == 0 else value - top)
    certain = CERTAIN if base == 0 else POSSIBLE if number <= _KNOWN_ERRNO else LIKELY
    yield Verdict(Cause.NEGATIVE_SMALL, certain, access.address, found, evidence, _UP)
