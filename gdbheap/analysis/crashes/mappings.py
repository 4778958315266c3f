"""What the address space tells of a page fault: no mapping, a guard, the wrong permission, a protection key."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.stacks import is_guard_inside, stack_overflows
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, CrashContext, Verdict
from gdbheap.analysis.mappings.accesses import ALLOWED, accesses
from gdbheap.analysis.mappings.freed_mapping import freed_mapping, moved_mapping
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.machine.instruction import READ, WRITE
from gdbheap.process.address_space import UNTOLD, VMA
from gdbheap.process.live.proc_maps import read_protection_key
from gdbheap.process.signal_info import SEGV_ACCERR, SEGV_PKUERR, SIGSEGV

_GUARD = 1 << 20
# As far from a pointer as the member or element may be that it was used for.
_LARGEST_OBJECT = 1 << 24
_LONGEST_LITERAL = 64
_SHORTEST_LITERAL = 3


def page_faults(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what the mappings say of the address that the kernel names."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or address is None or signal.signal != SIGSEGV or crash.is_fetch:
        return
    vma = crash.vma(address)
    if crash.is_vsyscall(address):
        summary = "the vsyscall page may only be called, at its three entries"
        yield Verdict("no_access", CERTAIN, address, summary, _evidence(crash, address), ("info registers",))
    elif signal.code == SEGV_PKUERR:
        yield from _keyed(crash, address, vma, signal.protection_key)
    else:
        yield from stack_overflows(crash, address)
        if vma is None and signal.code == SEGV_ACCERR:
            yield _untold(crash, address)
        elif vma is None:
            yield from _unmapped(crash, address)
        elif _is_allowed(crash, address):
            yield _allowed_now(crash, address, vma)
        elif signal.code == SEGV_ACCERR:
            yield from _denied(crash, address, vma)


def _evidence(crash: CrashContext, address: int) -> tuple[str, ...]:
    """Return what lies at or around the address, and the operand that it came from."""
    operands = (f"{each.text} {each.access}s {each.address:#x}" for each in crash.accesses[:1])
    return (*crash.surroundings(address), *operands)


def _keyed(crash: CrashContext, address: int, vma: VMA | None, key: int | None) -> Iterator[Verdict]:
    """A protection key's denial; the kernel itself uses one where memory may only be executed (execute_only_pkey)."""
    if not key and vma is not None and crash.process.kind == "live" and crash.process.pid is not None:
        key = read_protection_key(crash.process.pid, vma)  # gdb's siginfo of a 32-bit process has no si_pkey
    evidence, which = _evidence(crash, address), f"protection key {key}" if key else "a protection key"
    summary = f"{which} denies the access"
    if crash.process.kind != "core":  # gdb's own cores call everything readable
        summary += ", though the mapping's permissions allow it"
    if vma is not None and vma.executable and not vma.readable:
        only = f"the mapping may only be executed ({vma.permissions})"
        yield Verdict("no_access", CERTAIN, address, only, evidence, (f"vmmap {address:#x}",))
        summary = f"{which}, by which the kernel keeps execute-only memory from being read, denies it"
    yield Verdict("protection_key", CERTAIN, address, summary, evidence, ("p/x $pkru", f"vmmap {address:#x}"))


def _untold(crash: CrashContext, address: int) -> Verdict:
    """si_code says that a mapping denied the access, but nothing tells of one: cores leave out vvar and device
    memory."""
    summary = (
        "a mapping denied the access, and it is one that is not told here (cores leave out vvar and devices; gdb's "
        "own ones also memory of no file that may only be read)"
    )
    evidence = ("si_code is SEGV_ACCERR, but no mapping at the address is known", *_evidence(crash, address))
    return Verdict("no_access", LIKELY, address, summary, evidence, (f"vmmap {address:#x}",))


def _is_allowed(crash: CrashContext, address: int) -> bool:
    """Whether the access would go through now."""
    kinds = {each.access for each in crash.accesses} or {READ, WRITE}
    if is_guard_inside(crash, address):
        return False
    return all(each.result == ALLOWED for each in accesses(crash.process, address, None) if each.name in kinds)


def _allowed_now(crash: CrashContext, address: int, vma: VMA) -> Verdict:
    summary = (
        f"the mapping allows the access now ({vma.permissions}): it has been changed since, by another thread or a "
        "signal handler, or the signal was made up"
    )
    kinds = {each.access for each in crash.accesses} or {READ}
    does = tuple(
        f"a {each.name} there would go through: {each.meaning}"
        for each in accesses(crash.process, address, None)
        if each.name in kinds
    )
    next_steps = ("thread apply all bt", f"explain {address:#x}")
    return Verdict("access_allowed_now", LIKELY, address, summary, (*_evidence(crash, address), *does), next_steps)


def _denied(crash: CrashContext, address: int, vma: VMA) -> Iterator[Verdict]:
    evidence = _evidence(crash, address)
    if vma.readable and not vma.writable:
        what = _read_only_thing(crash, address, vma)
        summary = f"a write to {what}memory that may not be written ({vma.permissions})"
        yield Verdict("write_to_read_only", CERTAIN, address, summary, evidence, (f"info symbol {address:#x}",))
        return
    if vma.readable or vma.writable:
        return
    if vma.permissions == UNTOLD:
        summary = "the mapping does not allow this access; what it does allow, this core does not tell"
        yield Verdict("no_access", CERTAIN, address, summary, evidence, (f"vmmap {address:#x}",))
        return
    if vma.executable:
        summary = f"the mapping may only be executed ({vma.permissions})"
        yield Verdict("no_access", CERTAIN, address, summary, evidence, (f"vmmap {address:#x}",))
        return
    if _is_heap_reserve(crash, address):
        summary = "the address lies in the part of an arena's heap that malloc has reserved but not yet made accessible"
        yield Verdict("heap_reserve", CERTAIN, address, summary, evidence, (f"heap chunk {vma.start - 1:#x}",))
    elif vma.size <= _GUARD:
        summary = f"the address lies in a guard ({vma.permissions}, {vma.size:#x} bytes)"
        yield Verdict("guard_page", LIKELY, address, summary, evidence, (f"vmmap {address:#x}",))
    summary = f"the mapping allows no access at all ({vma.permissions})"
    sure = CERTAIN if vma.size > _GUARD else LIKELY
    yield Verdict("no_access", sure, address, summary, evidence, (f"vmmap {address:#x}",))


def _read_only_thing(crash: CrashContext, address: int, vma: VMA) -> str:
    """Return what it is that may only be read, with a comma behind it; "" where nothing more is known than the
    mapping."""
    symbol = crash.symbol_at(address)
    named = f"{symbol}, " if symbol else ""
    relro = any(each.relro and each.relro[0] <= address < each.relro[1] for each in crash.process.modules)
    if relro:
        return f"{named}data that ld.so has relocated and then made read-only (RELRO), "
    if vma.path.startswith(("[vdso", "[vvar")):
        return f"the kernel's {vma.path} page, "
    if vma.executable:
        return f"{named}the program's code, " if symbol else "code, "
    text = "" if symbol else _text_around(crash, address)
    segments = (segment for module in crash.process.modules for segment in module.segments)
    is_literal = any(segment.start <= address < segment.end for segment in segments)
    if text:
        return f"a string literal, {text!r}, " if is_literal else f"the text {text!r}, "
    return named


def _text_around(crash: CrashContext, address: int) -> str:
    """Return the text that the address is in, between two zero bytes; "" where there is none."""
    start = max(address - _LONGEST_LITERAL, crash.process.page_of(address))
    try:
        before = crash.process.memory.read(start, address - start)
        after = crash.process.memory.read(address, min(_LONGEST_LITERAL, -address % crash.page_size or crash.page_size))
    except MemoryFault:
        return ""
    text = before[before.rfind(b"\0") + 1 :] + after.partition(b"\0")[0]
    printable = all(0x20 <= byte < 0x7F or byte in b"\t\n\r" for byte in text)
    return text.decode("ascii") if printable and len(text) >= _SHORTEST_LITERAL else ""


def _is_heap_reserve(crash: CrashContext, address: int) -> bool:
    if crash.heap is None:
        return False
    heap = address & ~(crash.heap.layout.heap_max - 1)
    return any(region.mapping == heap for arena in crash.heap.arenas[1:] for region in arena.regions)


def _unmapped(crash: CrashContext, address: int) -> Iterator[Verdict]:
    evidence = _evidence(crash, address)
    below, _ = crash.process.address_space.around(address)
    if address < NULL_ZONE or crash.is_kernels(address):
        return
    if below is not None and address - below.end < crash.page_size:
        yield from _past_end(crash, address, below, evidence)
    yield from _was_mmapped(crash, address, evidence)
    yield Verdict("unmapped", CERTAIN, address, "nothing is mapped at the address", evidence, (f"vmmap {address:#x}",))


def _past_end(crash: CrashContext, address: int, below: VMA, evidence: tuple[str, ...]) -> Iterator[Verdict]:
    over = f"{address - below.end:#x} bytes" if address > below.end else "just"
    if crash.instruction.string and address == below.end:
        yield _string_overrun(crash, address, evidence)
    # Since glibc 2.43 an mmapped chunk's size leaves out the last two words of its mapping.
    chunk = crash.chunk(below.end - 1) or crash.chunk(below.end - 2 * crash.pointer_size - 1)
    if chunk is not None and chunk.is_mmapped:
        summary = f"{address - chunk.end:#x} bytes past the end of an mmapped block of {chunk.size:#x} bytes"
        yield Verdict(
            "past_chunk_end",
            CERTAIN,
            address,
            summary,
            (*evidence, crash.chunk_words(chunk)),
            (f"heap chunk {chunk.address:#x}",),
        )
    elif chunk is not None and chunk.state is State.TOP:
        summary = "past the end of the heap: the access ran through top and out of it"
        yield Verdict(
            "past_chunk_end",
            LIKELY,
            address,
            summary,
            (*evidence, crash.chunk_words(chunk)),
            ("heap chunks --count 0",),
        )
    summary = f"{over} past the end of a mapping"
    yield Verdict("past_mapping_end", CERTAIN, address, summary, evidence, (f"vmmap {below.start:#x}",))


def _string_overrun(crash: CrashContext, address: int, evidence: tuple[str, ...]) -> Verdict:
    kind = crash.instruction.string
    access = next(iter(crash.accesses), None)
    what = "memory"
    if access is not None:
        what = "its destination" if access.access == WRITE else "its source"
    register = crash.instruction.counter
    left = crash.stop.thread.registers.get(register)
    more: tuple[str, ...] = ()
    if left is not None and access is not None:
        size = max(access.size, 1)
        more = (f"{register} is {left:#x}: {left * size:#x} bytes were left to go, {size} at a time",)
    summary = f"a string instruction ({kind}) ran past the end of the mapping that {what} is in"
    return Verdict("string_overrun", CERTAIN, address, summary, (*evidence, *more), ("up", "info locals"))


def _was_mmapped(crash: CrashContext, address: int, evidence: tuple[str, ...]) -> Iterator[Verdict]:
    """A pointer to a chunk whose mapping went when it was freed."""
    bases = [each.base_value for each in crash.accesses if each.base] or [address]
    bases += [each.value for each in crash.stop.expressions if 0 <= address - each.value < _LARGEST_OBJECT]
    bases = [base for base in bases if crash.vma(base) is None]
    freed = freed_mapping(crash.heap, bases)
    if freed is None:
        below = crash.process.address_space.around(address)[0]
        is_past_end = below is not None and address - below.end < crash.page_size
        moved = None if is_past_end else moved_mapping(crash.heap, bases)
        if moved is not None:
            summary = (
                "perhaps a large block was here, with a mapping of its own, and realloc has moved it "
                "elsewhere: a pointer from before"
            )
            facts = (*evidence, *moved)
            yield Verdict("freed_mmapped_chunk", POSSIBLE, address, summary, facts, ("up", "info locals"))
        return
    typical, facts = freed
    summary = "the block that was here had a mapping of its own, which free has given back: a use after free"
    sure, next_steps = LIKELY if typical else POSSIBLE, ("heap params", f"vmmap {address:#x}")
    yield Verdict("freed_mmapped_chunk", sure, address, summary, (*evidence, *facts), next_steps)
