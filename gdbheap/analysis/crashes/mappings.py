"""What the address space tells of a page fault: no mapping, a guard, the wrong permission, a protection key."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.past_mapping import nothing_mapped
from gdbheap.analysis.crashes.stacks import is_guard_inside, stack_overflows
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.memory import (
    AllowedNow,
    DeniedByUnknown,
    DeniedByUntold,
    InGuard,
    InHeapReserve,
    KeyDenies,
    NoAccess,
    NoMappingKnown,
    OnlyExecutable,
    ReadOnlyWritten,
    VsyscallAccessed,
    WouldGoThrough,
)
from gdbheap.analysis.facts.stop import Accessed
from gdbheap.analysis.mappings.accesses import ALLOWED, accesses
from gdbheap.errors import MemoryFault
from gdbheap.machine.instruction import READ, WRITE
from gdbheap.process.address_space import UNTOLD, VMA
from gdbheap.process.fact import Fact
from gdbheap.process.live.proc_maps import read_protection_key
from gdbheap.process.signal_info import SEGV_ACCERR, SEGV_PKUERR, SIGSEGV

_GUARD = 1 << 20
_LONGEST_LITERAL = 64
_SHORTEST_LITERAL = 3


def page_faults(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what the mappings say of the address that the kernel names."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or address is None or signal.signal != SIGSEGV or crash.is_fetch:
        return
    vma = crash.vma(address)
    if crash.is_vsyscall(address):
        evidence = _evidence(crash, address)
        yield Verdict(Cause.NO_ACCESS, CERTAIN, address, VsyscallAccessed(), evidence, ("info registers",))
    elif signal.code == SEGV_PKUERR:
        yield from _keyed(crash, address, vma, signal.protection_key)
    else:
        yield from stack_overflows(crash, address)
        if vma is None and signal.code == SEGV_ACCERR:
            yield _untold(crash, address)
        elif vma is None:
            yield from nothing_mapped(crash, address, _evidence(crash, address))
        elif _is_allowed(crash, address):
            yield _allowed_now(crash, address, vma)
        elif signal.code == SEGV_ACCERR:
            yield from _denied(crash, address, vma)


def _evidence(crash: CrashContext, address: int) -> tuple[Fact, ...]:
    """Return what lies at or around the address, and the operand that it came from."""
    operands = (Accessed(each.text, each.access, each.address) for each in crash.accesses[:1])
    return (*crash.surroundings(address), *operands)


def _keyed(crash: CrashContext, address: int, vma: VMA | None, key: int | None) -> Iterator[Verdict]:
    """A protection key's denial; the kernel itself uses one where memory may only be executed (execute_only_pkey)."""
    if not key and vma is not None and crash.process.kind == "live" and crash.process.pid is not None:
        key = read_protection_key(crash.process.pid, vma)  # gdb's siginfo of a 32-bit process has no si_pkey
    evidence, look = _evidence(crash, address), f"vmmap {address:#x}"
    # (gdb's own cores call everything readable)
    found = KeyDenies(key or None, crash.process.kind != "core", False)
    if vma is not None and vma.executable and not vma.readable:
        yield Verdict(Cause.NO_ACCESS, CERTAIN, address, OnlyExecutable(vma.permissions), evidence, (look,))
        found = KeyDenies(key or None, False, True)
    yield Verdict(Cause.PROTECTION_KEY, CERTAIN, address, found, evidence, ("p/x $pkru", look))


def _untold(crash: CrashContext, address: int) -> Verdict:
    """si_code says that a mapping denied the access, but nothing tells of one: cores leave out vvar and device
    memory."""
    evidence = (NoMappingKnown(), *_evidence(crash, address))
    return Verdict(Cause.NO_ACCESS, LIKELY, address, DeniedByUnknown(), evidence, (f"vmmap {address:#x}",))


def _is_allowed(crash: CrashContext, address: int) -> bool:
    """Whether the access would go through now."""
    kinds = {each.access for each in crash.accesses} or {READ, WRITE}
    if is_guard_inside(crash, address):
        return False
    return all(each.result == ALLOWED for each in accesses(crash.process, address, None) if each.name in kinds)


def _allowed_now(crash: CrashContext, address: int, vma: VMA) -> Verdict:
    kinds = {each.access for each in crash.accesses} or {READ}
    does = tuple(
        WouldGoThrough(each.name, each.effect) for each in accesses(crash.process, address, None) if each.name in kinds
    )
    evidence, next_steps = (*_evidence(crash, address), *does), ("thread apply all bt", f"explain {address:#x}")
    return Verdict(Cause.ACCESS_ALLOWED_NOW, LIKELY, address, AllowedNow(vma.permissions), evidence, next_steps)


def _denied(crash: CrashContext, address: int, vma: VMA) -> Iterator[Verdict]:
    evidence, look = _evidence(crash, address), (f"vmmap {address:#x}",)
    if vma.readable and not vma.writable:
        found, name = _read_only(crash, address, vma), (f"info symbol {address:#x}",)
        yield Verdict(Cause.WRITE_TO_READ_ONLY, CERTAIN, address, found, evidence, name)
        return
    if vma.readable or vma.writable:
        return
    if vma.permissions == UNTOLD:
        yield Verdict(Cause.NO_ACCESS, CERTAIN, address, DeniedByUntold(), evidence, look)
        return
    if vma.executable:
        yield Verdict(Cause.NO_ACCESS, CERTAIN, address, OnlyExecutable(vma.permissions), evidence, look)
        return
    if _is_heap_reserve(crash, address):
        before = (f"heap chunk {vma.start - 1:#x}",)
        yield Verdict(Cause.HEAP_RESERVE, CERTAIN, address, InHeapReserve(), evidence, before)
    elif vma.size <= _GUARD:
        yield Verdict(Cause.GUARD_PAGE, LIKELY, address, InGuard(vma.permissions, vma.size), evidence, look)
    sure = CERTAIN if vma.size > _GUARD else LIKELY
    yield Verdict(Cause.NO_ACCESS, sure, address, NoAccess(vma.permissions), evidence, look)


def _read_only(crash: CrashContext, address: int, vma: VMA) -> ReadOnlyWritten:
    """Return what it is that may only be read, as far as it is known."""
    symbol = crash.symbol_at(address)
    # A linker may put constants and code into one mapping, which has the file's header too.
    is_code = vma.executable and (vma.offset > 0 or not vma.path)
    text = "" if symbol or is_code else _text_around(crash, address)
    what = ""
    if any(each.relro and each.relro[0] <= address < each.relro[1] for each in crash.process.modules):
        what = "relro"
    elif vma.path.startswith(("[vdso", "[vvar")):
        what = "kernel_page"
    elif is_code:
        what = "code"
    elif text:
        segments = (segment for module in crash.process.modules for segment in module.segments)
        is_literal = any(segment.start <= address < segment.end for segment in segments)
        what = "string_literal" if is_literal else "text"
    return ReadOnlyWritten(vma.permissions, what, symbol, vma.path, text if what in ("string_literal", "text") else "")


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
