"""What a bad pointer's value itself tells: NULL, an errno, text, a poison, a mangled link, half of an address."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.crashes.fills import is_fill, poison
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, CrashContext, Verdict
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.naming import short_name
from gdbheap.glibc.walk.links import demangle
from gdbheap.machine.instruction import MemoryOperand

_LAST_ERRNO = 4095
_KNOWN_ERRNO = 133
_SHORTEST_TEXT = 4
# sizeof(int): what a function without a declaration is taken to return.
_INT = 4


def bad_values(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what the values say that the faulting address was made from: the operand's base register first, then the
    address itself."""
    for access in crash.accesses:
        yield from by_operand(crash, access)
    if not crash.accesses and crash.fault_address is not None:
        yield from by_value(crash, crash.fault_address, "si_addr")


def by_operand(crash: CrashContext, access: MemoryOperand) -> Iterator[Verdict]:
    """Yield what the registers tell that an operand's address was made from."""
    yield from _small(crash, access)
    for value, how in _values(crash, access):
        # The last link of a list in a heap at a low address (no PIE, no randomization) is a small number.
        detect = _mangled if _is_small(access.address, crash.pointer_size) else _value
        named = tuple(crash.expressions(value, access.address))
        for each in detect(crash, value, how, access.address):
            yield replace(each, evidence=(*each.evidence, *named))


def by_value(crash: CrashContext, address: int, how: str) -> Iterator[Verdict]:
    """Yield what one value tells, where no operand is known that it came from."""
    fake = MemoryOperand(how, address, "access", 0)
    yield from _small(crash, fake)
    if not _is_small(address, crash.pointer_size):
        yield from _value(crash, address, how, address)


def _values(crash: CrashContext, access: MemoryOperand) -> Iterator[tuple[int, str]]:
    if access.base and access.base != crash.process.machine.program_counter:
        yield access.base_value, f"{access.base} is {access.base_value:#x}"
    if not access.base or access.index:
        yield access.address, f"the address {access.text} is {access.address:#x}"


def _is_small(address: int, pointer_size: int) -> bool:
    return address < NULL_ZONE or address >= (1 << 8 * pointer_size) - NULL_ZONE


def _made_of(access: MemoryOperand) -> str:
    """Return how the operand's address came about."""
    parts = []
    if access.base:
        parts.append(f"{access.base}={access.base_value:#x}")
    if access.index:
        parts.append(f"{access.index}={access.index_value:#x} times {access.scale}")
    if parts:
        return f"{access.text} with {', '.join(parts)} is {access.address:#x}"
    if access.text == f"{access.address:#x}":
        return "the address stands in the instruction itself: the compiler knew it"
    return f"{access.text} is {access.address:#x}"


def _small(crash: CrashContext, access: MemoryOperand) -> Iterator[Verdict]:
    """Addresses near 0, from either side, and those that were made from a NULL base."""
    if access.base == crash.process.machine.stack_pointer:
        return  # no pointer of the program's
    address, top = access.address, 1 << 8 * crash.pointer_size
    array = crash.null_array()
    base = 0 if array is not None else _base(access)
    evidence = (_made_of(access), *crash.expressions(base, address))
    up = ("up", "info locals")
    if address == 0:
        yield Verdict("null_pointer", CERTAIN, 0, f"a NULL pointer is used to {access.access}", evidence, up)
    elif address < NULL_ZONE and array is None and 0 < base < NULL_ZONE:
        summary = f"the pointer is {base:#x}, which is close to NULL and no address"
        yield Verdict("null_plus_offset", LIKELY, address, summary, evidence, up)
    elif address < NULL_ZONE:
        kind, whole = ("an element", "array") if array is not None else ("a member", "object")
        summary = f"{kind} {address} bytes ({address:#x}) into an {whole} at NULL is used to {access.access}"
        yield Verdict("null_plus_offset", CERTAIN if access.base else LIKELY, address, summary, evidence, up)
    elif access.base and not access.base_value and access.index and not crash.is_kernels(address):
        summary = f"an array at NULL is indexed: element {access.index_value} of {access.scale} bytes each"
        yield Verdict("null_plus_offset", LIKELY, address, summary, evidence, up)
    elif array is not None and crash.vma(address) is None and not _is_small(address, crash.pointer_size):
        summary = f"an array at NULL is indexed: {address} bytes beyond its start"
        yield Verdict("null_plus_offset", LIKELY, address, summary, evidence, up)
    if address >= top - NULL_ZONE:
        yield from _negative(crash, access, evidence)


def _base(access: MemoryOperand) -> int:
    """Return the value of the pointer that the operand went through: where no register holds it, the compiler knew
    that it is NULL."""
    return access.base_value if access.base else 0 if access.address < NULL_ZONE else access.address


def _negative(crash: CrashContext, access: MemoryOperand, evidence: tuple[str, ...]) -> Iterator[Verdict]:
    top = 1 << 8 * crash.pointer_size
    base = access.base_value if access.base else access.address
    value = base if base >= top - _LAST_ERRNO else access.address
    number = top - value
    offset = top - access.address
    if base != 0 and 0 < number <= _KNOWN_ERRNO and number in errno.errorcode:
        name = "MAP_FAILED, or -1," if number == 1 else f"-{errno.errorcode[number]} ({os.strerror(number)})"
        summary = f"{name} is used as a pointer: a failed call's result was not checked"
        # With something added it may as well be an object around NULL (container_of), whose member was wanted.
        sure = LIKELY if access.address == value else POSSIBLE
        yield Verdict("errno_as_pointer", sure, access.address, summary, evidence, ("up", "info locals"))
    how = (
        "a member before an object at NULL (container_of)"
        if base == 0
        else f"the pointer is {value - top}" + (" (container_of of NULL?)" if access.address != value else "")
    )
    certain = CERTAIN if base == 0 else POSSIBLE if number <= _KNOWN_ERRNO else LIKELY
    yield Verdict(
        "negative_small", certain, access.address, f"the address is {-offset}: {how}", evidence, ("up", "info locals")
    )


def _value(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    if crash.vma(value) is not None and crash.vma(address) is not None:
        return
    known = [*_mangled(crash, value, how, address), *_key(crash, value, how, address)]
    yield from known
    for guess in () if known else (poison, _ascii, _truncated):
        yield from guess(crash, value, how, address)
    # With five-level page tables more addresses can be: then the kernel names the one that failed.
    if not crash.is_canonical(address) and crash.fault_address is None:
        machine = crash.process.machine.name
        summary = (
            f"{address:#x} is not canonical: no {machine} address has these upper bits; the kernel reports 0 instead "
            "of it"
        )
        yield Verdict("non_canonical", CERTAIN, address, summary, (how,), ("info registers", "up"))
    elif crash.is_kernels(address):
        summary = "the address lies in the kernel's half, which no program may touch"
        yield Verdict("kernel_address", LIKELY, address, summary, (how,), ("info registers",))
    yield from _bit_flip(crash, value, how, address)


def _mangled(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    """A freed chunk's first word, used as if it were the pointer that the object held."""
    if crash.heap is None or not value:
        return
    layout = crash.heap.layout
    for each in crash.heap.bins:
        if each.kind not in ("tcache", "fastbin"):
            continue
        for chunk in each.chunks[:_MOST_LOOKED_AT]:
            mem = chunk + layout.header
            if crash.word_at(mem) != value or not layout.safe_linking:
                continue
            evidence = (
                how,
                f"the word at {mem:#x}, a freed block in {short_name(each)}, is the same; it stands for "
                f"{demangle(mem, value, layout):#x}",
            )
            summary = (
                "the pointer is the mangled link that malloc keeps in a freed block: the block was used after free"
            )
            yield Verdict("mangled_link", CERTAIN, address, summary, evidence, (f"heap chunk {mem:#x}",))
            return


_MOST_LOOKED_AT = 1 << 12


def _key(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    if crash.tcache_key and value == crash.tcache_key:
        summary = (
            "the pointer is the key that malloc writes into the second word of a cached block: the block was "
            "used after free"
        )
        yield Verdict(
            "tcache_key_as_pointer",
            CERTAIN,
            address,
            summary,
            (how, f"the tcache key is {crash.tcache_key:#x}"),
            ("heap bins tcache",),
        )


def _ascii(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    data = value.to_bytes(crash.pointer_size, "little").rstrip(b"\0")
    if len(data) < _SHORTEST_TEXT or not all(0x20 <= byte < 0x7F or byte in b"\t\n\r" for byte in data):
        return
    letters = sum(chr(byte).isalnum() or byte == 0x20 for byte in data)
    looks_it = len(data) >= 3 * crash.pointer_size // 4 and 4 * letters >= 3 * len(data)
    # The bytes of many an address are letters too: 0x5555... is "UU".
    sure = looks_it and not _is_near_mappings(crash, value) and not is_fill(crash, value)
    confidence = LIKELY if sure else POSSIBLE
    summary = f"the pointer is text, {data.decode('ascii')!r}: a string was written over it"
    yield Verdict("ascii_as_pointer", confidence, address, summary, (how,), (f"heap search {_quoted(data)}",))


def _quoted(data: bytes) -> str:
    """Return ASCII text as `heap search` takes it, in double quotes."""
    text = data.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _is_near_mappings(crash: CrashContext, value: int) -> bool:
    """Whether the value may as well be an address gone wrong by an offset."""
    reach = crash.process.machine.stray
    below, above = crash.process.address_space.around(value)
    return (below is not None and value - below.end < reach) or (above is not None and above.start - value < reach)


def _truncated(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    """32 bits of a 64-bit address: the caller did not know that the function returns a pointer."""
    high = value >> 32
    if crash.pointer_size <= _INT or high not in (0, 0xFFFF_FFFF) or not value & 0xFFFF_FFFF:
        return
    low = value & 0xFFFF_FFFF
    for vma in crash.process.address_space:
        for upper in {vma.start >> 32, (vma.end - 1) >> 32} - {0}:
            whole = upper << 32 | low
            chunk = crash.chunk(whole)
            if whole not in vma or not vma.writable:
                continue
            sign = " (sign-extended)" if high else ""
            evidence = [how, f"{whole:#x} would lie in {crash.vma_line(vma)}"]
            if chunk is not None:
                evidence.append(f"the {crash.chunk_words(chunk)} is there")
            summary = (
                f"the pointer is the lower 32 bits{sign} of {whole:#x}: a function that returns a pointer was "
                "called without its declaration"
            )
            sure = chunk is not None and chunk.state is State.IN_USE
            yield Verdict(
                "truncated_pointer", LIKELY if sure else POSSIBLE, address, summary, tuple(evidence), ("up", "list")
            )
            return


def _bit_flip(crash: CrashContext, value: int, how: str, address: int) -> Iterator[Verdict]:
    """One bit away from the start of a block in use: broken memory, or a flag left in a tagged pointer."""
    for bit in range(crash.process.machine.address_bits, 0, -1):
        near = value ^ 1 << bit
        chunk = crash.chunk(near)
        if (
            chunk is not None
            and crash.heap is not None
            and near == chunk.address + crash.heap.layout.header
            and chunk.state is State.IN_USE
        ):
            evidence = (how, f"{near:#x} is the start of the {crash.chunk_words(chunk)}")
            yield Verdict(
                "bit_flip",
                POSSIBLE,
                address,
                f"one bit (bit {bit}) away from the address of a block in use",
                evidence,
                (f"heap chunk {near:#x}",),
            )
            return
