"""What lies around an address that is in no mapping: a mapping that was run past, a block whose mapping is gone."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.addresses.freed_mapping import freed_mapping, moved_mapping
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.memory import (
    BytesLeft,
    MappedBlockFreed,
    MappedBlockMoved,
    MappedBlockUnmapped,
    NothingMapped,
    OutOfTop,
    PastAMapping,
    PastMappedBlock,
    StringOverrun,
    TheChunk,
)
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.glibc.chunk_table import State
from gdbheap.machine.instruction import WRITE
from gdbheap.process.address_space import VMA
from gdbheap.process.fact import Fact

# As far from a pointer as the member or element may be that it was used for.
_LARGEST_OBJECT = 1 << 24


def nothing_mapped(crash: CrashContext, address: int, evidence: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Yield that nothing is mapped at the address, and what it may have been meant for."""
    place = crash.process.machine.untagged(address)
    below, _ = crash.process.address_space.around(place)
    if address < NULL_ZONE or crash.is_kernels(address):
        return
    if below is not None and place - below.end < crash.page_size:
        yield from _past_end(crash, place, below, evidence)
    yield from _was_mmapped(crash, address, evidence)
    yield Verdict(Cause.UNMAPPED, CERTAIN, address, NothingMapped(), evidence, (f"vmmap {address:#x}",))


def _past_end(crash: CrashContext, address: int, below: VMA, evidence: tuple[Fact, ...]) -> Iterator[Verdict]:
    if crash.instruction.string and address == below.end:
        yield _string_overrun(crash, address, evidence)
    # Since glibc 2.43 an mmapped chunk's size leaves out the last two words of its mapping.
    chunk = crash.chunk(below.end - 1) or crash.chunk(below.end - 2 * crash.pointer_size - 1)
    if chunk is not None:
        facts, cause = (*evidence, TheChunk(crash.in_chunk(chunk))), Cause.PAST_CHUNK_END
        if chunk.is_mmapped:
            found: Fact = PastMappedBlock(address - chunk.end, chunk.size)
            yield Verdict(cause, CERTAIN, address, found, facts, (f"heap chunk {chunk.address:#x}",))
        elif chunk.state is State.TOP:
            yield Verdict(cause, LIKELY, address, OutOfTop(), facts, ("heap chunks --count 0",))
    past = PastAMapping(address - below.end)
    yield Verdict(Cause.PAST_MAPPING_END, CERTAIN, address, past, evidence, (f"vmmap {below.start:#x}",))


def _string_overrun(crash: CrashContext, address: int, evidence: tuple[Fact, ...]) -> Verdict:
    access = next(iter(crash.accesses), None)
    which = "" if access is None else "destination" if access.access == WRITE else "source"
    register = crash.instruction.counter
    left = crash.stop.thread.registers.get(register)
    more: tuple[Fact, ...] = ()
    if left is not None and access is not None:
        size = max(access.size, 1)
        more = (BytesLeft(register, left, left * size, size),)
    found = StringOverrun(crash.instruction.string, which)
    return Verdict(Cause.STRING_OVERRUN, CERTAIN, address, found, (*evidence, *more), ("up", "info locals"))


def _was_mmapped(crash: CrashContext, address: int, evidence: tuple[Fact, ...]) -> Iterator[Verdict]:
    """A pointer to a chunk whose mapping went when it was freed."""
    bases = [each.base_value for each in crash.accesses if each.base] or [address]
    bases += [each.value for each in crash.stop.expressions if 0 <= address - each.value < _LARGEST_OBJECT]
    bases = [base for base in bases if crash.vma(base) is None]
    freed, cause = freed_mapping(crash.heap, bases), Cause.FREED_MMAPPED_CHUNK
    if freed is not None:
        typical, facts = freed
        sure, next_steps = LIKELY if typical else POSSIBLE, ("heap params", f"vmmap {address:#x}")
        yield Verdict(cause, sure, address, MappedBlockFreed(), (*evidence, *facts), next_steps)
        return
    below = crash.process.address_space.around(address)[0]
    is_past_end = below is not None and address - below.end < crash.page_size
    moved = None if is_past_end else moved_mapping(crash.heap, bases)
    if moved is not None:
        missing, facts = moved
        found = MappedBlockUnmapped() if missing else MappedBlockMoved()
        yield Verdict(cause, POSSIBLE, address, found, (*evidence, *facts), ("up", "info locals"))
