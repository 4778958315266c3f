"""What a SIGBUS is about: a file that ends too soon, no huge page, an address that is not aligned, broken memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.process.address_space import VMA
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
        summary = "the hardware has reported a memory error in the page: its content is lost"
        evidence = (f"si_code is {signal.code}", *crash.surroundings(address))
        yield Verdict("bus_hardware", CERTAIN, address, summary, evidence, ("shell dmesg | tail",))


def _misaligned(crash: CrashContext) -> Iterator[Verdict]:
    """An alignment check (the AC flag is set, or a split lock): the kernel tells no address, the operand does."""
    machine = crash.process.machine
    flags = crash.stop.thread.registers.get(machine.flags, 0)
    is_checked = flags & machine.alignment_check
    why = (f"the AC flag of {machine.flags} is set: the processor checks every access",) if is_checked else ()
    next_steps = (f"info registers {machine.flags}", "up")
    for access in crash.accesses:
        past = access.address % access.size if access.size else 0
        if past:
            summary = f"the {access.access} needs an address that is a multiple of {access.size}"
            fact = f"{access.text} is {access.address:#x}, {past} past a multiple of {access.size}"
            yield Verdict("bus_misaligned", CERTAIN, access.address, summary, (fact, *why), next_steps)
            return
    summary = "the address is not aligned as the access demands"
    evidence = (f"the instruction is `{crash.instruction.text}`", *why)
    yield Verdict("bus_misaligned", CERTAIN, crash.fault_address, summary, evidence, next_steps)


def _not_supplied(crash: CrashContext, address: int) -> Iterator[Verdict]:
    vma, evidence = crash.vma(address), crash.surroundings(address)
    if vma is None:
        summary = "the memory could not be supplied, and its mapping is not known"
        yield Verdict("bus_beyond_eof", LIKELY, address, summary, evidence, (f"vmmap {address:#x}",))
        return
    # hugetlbfs: MAP_HUGETLB's files are named so.
    if "anon_hugepage" in vma.path or "/hugepages" in vma.path:
        summary = "the kernel had no huge page left for the mapping"
        yield Verdict("bus_huge_page", CERTAIN, address, summary, evidence, ("shell grep Huge /proc/meminfo",))
        return
    name = vma.path or "its name is not known"
    offset = vma.offset + (address - vma.start)
    facts = [*evidence, f"the page is at offset {crash.process.page_of(offset):#x} of the file"]
    size = _file_size(crash, vma)
    sure = CERTAIN
    if size is not None and size > crash.process.page_of(offset):
        sure = LIKELY
        facts.append(f"the file has {size:#x} bytes by now: it has grown since, or the device failed to read it")
    elif size is not None:
        facts.append(f"the file has {size:#x} bytes")
    summary = f"the file behind the mapping ends before this page ({name})"
    is_named = vma.path.startswith("/") and not vma.path.endswith(" (deleted)")
    next_step = f"shell ls -l {vma.path}" if is_named else f"vmmap {address:#x}"
    yield Verdict("bus_beyond_eof", sure, address, summary, tuple(facts), (next_step,))


def _file_size(crash: CrashContext, vma: VMA) -> int | None:
    """Return the size in bytes that the mapped file has now; None where nobody here can tell."""
    if crash.process.kind != "live" or crash.process.pid is None:
        return None
    file = open_mapped_file(crash.process.pid, vma)
    if file is None:
        return None
    with file:
        return os.fstat(file.fileno()).st_size
