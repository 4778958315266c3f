"""What a bad pointer's value itself tells: text, a poison, a mangled link, half of an address (small numbers:
small_pointers)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.fills import is_fill, poison
from gdbheap.analysis.crashes.small_pointers import is_small, made_of, small_pointers
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.places import in_mapping
from gdbheap.analysis.facts.pointers import (
    ChunkIsThere,
    HalfUsed,
    KernelAddress,
    KeyMustBeAt,
    KeyUsed,
    LinkUsed,
    NotCanonical,
    OneBitAway,
    SameAsLink,
    SignalAddressIs,
    StartsChunk,
    TagLeft,
    TcacheKeyIs,
    TextUsed,
    WouldLieIn,
)
from gdbheap.analysis.facts.stop import AddressOf, Holds
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.naming import short_name
from gdbheap.glibc.walk.links import demangle
from gdbheap.machine.instruction import MemoryOperand
from gdbheap.process.fact import Fact

_SHORTEST_TEXT = 4
# sizeof(int): what a function without a declaration is taken to return.
_INT = 4


def bad_values(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what the values say that the faulting address was made from: the operand's base register first, then the
    address itself."""
    for access in crash.accesses:
        yield from by_operand(crash, access)
    if not crash.accesses and crash.fault_address is not None:
        yield from by_value(crash, crash.fault_address, SignalAddressIs(crash.fault_address))


def by_operand(crash: CrashContext, access: MemoryOperand) -> Iterator[Verdict]:
    """Yield what the registers tell that an operand's address was made from."""
    yield from small_pointers(crash, access, made_of(access))
    for value, how in _values(crash, access):
        # The last link of a list in a heap at a low address (no PIE, no randomization) is a small number.
        detect = _mangled if is_small(access.address, crash.pointer_size) else _value
        named = tuple(crash.expressions(value, access.address))
        for each in detect(crash, value, how, access.address):
            yield replace(each, evidence=(*each.evidence, *named))


def by_value(crash: CrashContext, address: int, how: Fact) -> Iterator[Verdict]:
    """Yield what one value tells, where no operand is known that it came from; `how` is where it was found."""
    yield from small_pointers(crash, MemoryOperand("", address, "access", 0), how)
    if not is_small(address, crash.pointer_size):
        yield from _value(crash, address, how, address)


def _values(crash: CrashContext, access: MemoryOperand) -> Iterator[tuple[int, Fact]]:
    if access.base and access.base != crash.process.machine.program_counter:
        yield access.base_value, Holds(access.base, access.base_value)
    if not access.base or access.index:
        yield access.address, AddressOf(access.text, access.address)


def _value(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    if crash.vma(value) is not None and crash.vma(address) is not None:
        return
    known = [*_mangled(crash, value, how, address), *_key(crash, value, how, address)]
    yield from known
    for guess in () if known else (poison, _ascii, _truncated):
        yield from guess(crash, value, how, address)
    yield from _tagged(crash, value, how, address)
    # With five-level page tables more addresses can be: then the kernel names the one that failed.
    if not crash.is_canonical(address) and crash.fault_address is None:
        found = NotCanonical(address, crash.process.machine.name)
        yield Verdict(Cause.NON_CANONICAL, CERTAIN, address, found, (how,), ("info registers", "up"))
    elif crash.is_kernels(address):
        yield Verdict(Cause.KERNEL_ADDRESS, LIKELY, address, KernelAddress(), (how,), ("info registers",))
    yield from _bit_flip(crash, value, how, address)


def _mangled(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
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
            same = SameAsLink(mem, short_name(each), demangle(mem, value, layout))
            look = (f"heap chunk {mem:#x}", f"explain {mem:#x}")
            yield Verdict(Cause.MANGLED_LINK, CERTAIN, address, LinkUsed(), (how, same), look)
            return


_MOST_LOOKED_AT = 1 << 12


def _key(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    if crash.tcache_key and value == crash.tcache_key:
        evidence = (how, TcacheKeyIs(crash.tcache_key))
        yield Verdict(Cause.TCACHE_KEY_AS_POINTER, CERTAIN, address, KeyUsed(), evidence, ("heap bins tcache",))
    elif crash.tcache_key is None and crash.heap is not None and value:
        # Without symbols too few cached blocks tell the key, but this one may hold it where keys are.
        offset = crash.heap.layout.header + crash.pointer_size
        lists = (each.chunks[:_MOST_LOOKED_AT] for each in crash.heap.bins if each.kind == "tcache")
        places = (chunk + offset for chunks in lists for chunk in chunks)
        place = next((each for each in places if crash.word_at(each) == value), None)
        if place is not None:
            look = (f"explain {place:#x}",)
            yield Verdict(Cause.TCACHE_KEY_AS_POINTER, LIKELY, address, KeyUsed(), (how, KeyMustBeAt(place)), look)


def _ascii(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    data = value.to_bytes(crash.pointer_size, "little").rstrip(b"\0")
    if len(data) < _SHORTEST_TEXT or not all(0x20 <= byte < 0x7F or byte in b"\t\n\r" for byte in data):
        return
    letters = sum(chr(byte).isalnum() or byte == 0x20 for byte in data)
    looks_it = len(data) >= 3 * crash.pointer_size // 4 and 4 * letters >= 3 * len(data)
    # The bytes of many an address are letters too: 0x5555... is "UU".
    sure = looks_it and not _is_near_mappings(crash, value) and not is_fill(crash, value)
    confidence = LIKELY if sure else POSSIBLE
    next_step = f"heap search {_quoted(data)}"
    yield Verdict(Cause.ASCII_AS_POINTER, confidence, address, TextUsed(data.decode("ascii")), (how,), (next_step,))


def _quoted(data: bytes) -> str:
    """Return ASCII text as `heap search` takes it, in double quotes."""
    text = data.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _is_near_mappings(crash: CrashContext, value: int) -> bool:
    """Whether the value may as well be an address gone wrong by an offset."""
    reach = crash.process.machine.stray
    below, above = crash.process.address_space.around(value)
    return (below is not None and value - below.end < reach) or (above is not None and above.start - value < reach)


def _truncated(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
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
            evidence = [how, WouldLieIn(whole, in_mapping(vma))]
            if chunk is not None:
                evidence.append(ChunkIsThere(crash.in_chunk(chunk)))
            sure = LIKELY if chunk is not None and chunk.state is State.IN_USE else POSSIBLE
            found = HalfUsed(whole, bool(high))
            yield Verdict(Cause.TRUNCATED_POINTER, sure, address, found, tuple(evidence), ("up", "list"))
            return


def _tagged(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    """The address of a block in use, with something else in the bits that no address has."""
    bits = -(-crash.process.address_bits // 8) * 8  # whole bytes: their uppermost bit is 0 on x86
    tag, plain = value >> bits, value & (1 << bits) - 1
    chunk, vma = crash.chunk(plain) if tag and not crash.is_canonical(value) else None, crash.vma(plain)
    if chunk is None or vma is None or crash.heap is None or chunk.state is not State.IN_USE:
        return
    is_start, count = plain == chunk.address + crash.heap.layout.header, 8 * crash.pointer_size - bits
    there = StartsChunk(plain, crash.in_chunk(chunk)) if is_start else WouldLieIn(plain, in_mapping(vma))
    evidence = (how, there) if is_start else (how, there, ChunkIsThere(crash.in_chunk(chunk)))
    sure, next_steps = LIKELY if is_start else POSSIBLE, (f"heap chunk {plain:#x}", "up")
    yield Verdict(Cause.TAGGED_POINTER, sure, address, TagLeft(count, tag), evidence, next_steps)


def _bit_flip(crash: CrashContext, value: int, how: Fact, address: int) -> Iterator[Verdict]:
    """One bit away from the start of a block in use: broken memory, or a flag left in a tagged pointer."""
    for bit in range(crash.process.address_bits, 0, -1):
        near = value ^ 1 << bit
        chunk = crash.chunk(near)
        if chunk is None or crash.heap is None or chunk.state is not State.IN_USE:
            continue
        if near == chunk.address + crash.heap.layout.header:
            evidence = (how, StartsChunk(near, crash.in_chunk(chunk)))
            yield Verdict(Cause.BIT_FLIP, POSSIBLE, address, OneBitAway(bit), evidence, (f"heap chunk {near:#x}",))
            return
