"""What a SIGBUS is about: a file that ends too soon, no huge page, an address that is not aligned, broken memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.processor import misaligned_stack
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.memory import (
    AlignmentChecked,
    FileEnds,
    FileSize,
    HardwareFailed,
    NoHugePage,
    NotAMultiple,
    NotSupplied,
    OffBy,
    PageOffset,
)
from gdbheap.analysis.facts.stop import SignalCode, TheInstruction
from gdbheap.process.address_space import VMA
from gdbheap.process.fact import Fact
from gdbheap.process.live.mapped_file import open_mapped_file
from gdbheap.process.signal_info import BUS_ADRALN, BUS_ADRERR, BUS_MCEERR_AO, BUS_MCEERR_AR, BUS_OBJERR, SIGBUS

_HARDWARE = (BUS_OBJERR, BUS_MCEERR_AR, BUS_MCEERR_AO)


def bus_errors(crash: CrashContext) -> Iterator[Verdict]:
    """Yield why the memory could not be supplied, or might not be accessed."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or signal.signal != SIGBUS:
        return
    if signal.code == BUS_ADRALN:
        yield from _misaligned(crash)
    elif address is not None and signal.code == BUS_ADRERR:
        yield from _not_supplied(crash, address)
    elif address is not None and signal.code in _HARDWARE:
        evidence = (SignalCode(signal.code), *crash.surroundings(address))
        yield Verdict(Cause.BUS_HARDWARE, CERTAIN, address, HardwareFailed(), evidence, ("shell dmesg | tail",))


def _misaligned(crash: CrashContext) -> Iterator[Verdict]:
    """An alignment check (the AC flag is set, or a split lock): the kernel tells no address, the operand does."""
    if crash.is_fetch:
        return  # (control tells)
    machine, stack = crash.process.machine, misaligned_stack(crash)
    if stack is not None:
        yield stack
        return
    flags = crash.stop.thread.registers.get(machine.flags, 0)
    why = (AlignmentChecked(machine.flags),) if flags & machine.alignment_check else ()
    next_steps = (f"info registers {machine.flags}", "up") if machine.alignment_check else ("up", "info registers")
    for access in crash.accesses:
        needed = crash.instruction.alignment or access.size
        past = access.address % needed if needed else 0
        if past:
            found = NotAMultiple(access.access, needed)
            evidence: tuple[Fact, ...] = (OffBy(access.text, access.address, past, needed), *why)
            yield Verdict(Cause.BUS_MISALIGNED, CERTAIN, access.address, found, evidence, next_steps)
            return
    evidence = (TheInstruction(crash.instruction.text), *why)
    found = NotAMultiple("", None)
    yield Verdict(Cause.BUS_MISALIGNED, CERTAIN, crash.fault_address, found, evidence, next_steps)


def _not_supplied(crash: CrashContext, address: int) -> Iterator[Verdict]:
    vma, evidence, look = crash.vma(address), crash.surroundings(address), (f"vmmap {address:#x}",)
    if vma is None:
        yield Verdict(Cause.BUS_BEYOND_EOF, LIKELY, address, NotSupplied(), evidence, look)
        return
    # hugetlbfs: MAP_HUGETLB's files are named so.
    if "anon_hugepage" in vma.path or "/hugepages" in vma.path:
        huge = ("shell grep Huge /proc/meminfo",)
        yield Verdict(Cause.BUS_HUGE_PAGE, CERTAIN, address, NoHugePage(), evidence, huge)
        return
    offset = crash.process.page_of(vma.offset + (address - vma.start))
    size = _file_size(crash, vma)
    # It has grown since, or the device failed to read it.
    reaches = size is not None and size > offset
    facts = (*evidence, PageOffset(offset), *(() if size is None else (FileSize(size, reaches),)))
    is_named = vma.path.startswith("/") and not vma.path.endswith(" (deleted)")
    look = (f"shell ls -l {vma.path}",) if is_named else look
    yield Verdict(Cause.BUS_BEYOND_EOF, LIKELY if reaches else CERTAIN, address, FileEnds(vma.path), facts, look)


def _file_size(crash: CrashContext, vma: VMA) -> int | None:
    """Return the size in bytes that the mapped file has now; None where nobody here can tell."""
    if crash.process.kind != "live" or crash.process.pid is None:
        return None
    file = open_mapped_file(crash.process.pid, vma)
    if file is None:
        return None
    with file:
        return os.fstat(file.fileno()).st_size
