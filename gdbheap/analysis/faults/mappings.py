"""What the address space tells of a page fault: no mapping, a guard, the wrong permission, a file that ends too soon."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.faults.operand import WRITE
from gdbheap.analysis.faults.verdict import CERTAIN, LIKELY, POSSIBLE, Scene, Verdict
from gdbheap.malloc.chunk_table import State
from gdbheap.malloc.sizes import align_up
from gdbheap.process.address_space import VMA
from gdbheap.process.memory import PAGE

SEGV_MAPERR, SEGV_ACCERR, SEGV_PKUERR = 1, 2, 4
BUS_ADRALN, BUS_ADRERR, BUS_OBJERR, BUS_MCEERR_AR, BUS_MCEERR_AO = 1, 2, 3, 4, 5
SIGBUS, SIGSEGV = 7, 11

# The kernel keeps this free below a stack (stack_guard_gap, 256 pages); a frame larger than the rest of the stack lands as far below.
_NEAR_STACK = 64 << 20
_GUARD = 1 << 20


def page_faults(scene: Scene) -> Iterator[Verdict]:
    """Yield what the mappings say of the address that the kernel names."""
    signal, address = scene.stop.signal, scene.fault_address
    if (
        signal is None
        or address is None
        or signal.signal not in (SIGSEGV, SIGBUS)
        or address == scene.stop.thread.program_counter
    ):
        return
    if signal.signal == SIGBUS:
        yield from _bus(scene, address, signal.code)
    elif signal.code == SEGV_PKUERR:
        key = signal.protection_key
        summary = f"protection key {key} denies the access, though the mapping's permissions allow it"
        yield Verdict(
            "protection_key", CERTAIN, address, summary, scene.surroundings(address), ("info registers pkru",)
        )
    else:
        yield from _stacks(scene, address)
        vma = scene.vma(address)
        if vma is not None and signal.code == SEGV_ACCERR:
            yield from _denied(scene, address, vma)
        elif vma is None:
            yield from _unmapped(scene, address)


def _access(scene: Scene) -> str:
    return "write" if any(each.access == WRITE for each in scene.accesses) else "read" if scene.accesses else "access"


def _denied(scene: Scene, address: int, vma: VMA) -> Iterator[Verdict]:
    evidence = (
        *scene.surroundings(address),
        *(f"{each.text} {each.access}s {each.address:#x}" for each in scene.accesses[:1]),
    )
    if vma.readable and not vma.writable:
        symbol = scene.symbol_at(address)
        what = f"{symbol}, " if symbol else ""
        summary = f"a write to {what}memory that may only be read ({vma.permissions})"
        yield Verdict("write_to_read_only", CERTAIN, address, summary, evidence, (f"info symbol {address:#x}",))
        return
    if vma.readable or vma.writable:
        return
    if _is_heap_reserve(scene, address, vma):
        summary = "the address lies in the part of an arena's heap that malloc has reserved but not yet made accessible"
        yield Verdict("heap_reserve", CERTAIN, address, summary, evidence, (f"heap chunk {vma.start - 1:#x}",))
    elif vma.size <= _GUARD:
        yield Verdict(
            "guard_page",
            LIKELY,
            address,
            f"the address lies in a guard ({vma.permissions}, {vma.size:#x} bytes)",
            evidence,
            (f"vmmap {address:#x}",),
        )
    summary = f"the mapping allows no access at all ({vma.permissions})"
    yield Verdict(
        "no_access", CERTAIN if vma.size > _GUARD else LIKELY, address, summary, evidence, (f"vmmap {address:#x}",)
    )


def _is_heap_reserve(scene: Scene, address: int, vma: VMA) -> bool:
    if scene.heap is None:
        return False
    heap = address & ~(scene.heap.layout.heap_max - 1)
    return any(region.mapping == heap for arena in scene.heap.arenas[1:] for region in arena.regions)


def _stacks(scene: Scene, address: int) -> Iterator[Verdict]:
    """Yield a stack overflow: the address is at or below the end of the thread's stack, and near its stack pointer."""
    pointer = scene.stop.thread.stack_pointer
    if abs(address - pointer) > _NEAR_STACK:
        return
    here = scene.vma(pointer)
    # The pointer itself may already be in the guard; the stack is then what lies above.
    stack = here if here is not None and here.writable else scene.process.address_space.around(pointer)[1]
    if stack is None or not stack.writable or (address >= stack.start + PAGE and not _is_guard_inside(scene, address)):
        return
    if stack.path == "[stack]" or _is_main_stack(scene, stack):
        yield _main_overflow(scene, address, stack)
    elif stack.start - address <= _GUARD or _is_guard_inside(scene, address):
        evidence = (*scene.surroundings(address), f"the stack pointer is {pointer:#x}", *recursion(scene))
        summary = f"thread {scene.stop.thread.number} has used up its stack: the address is in the guard below it"
        yield Verdict(
            "thread_stack_overflow",
            CERTAIN if recursion(scene) else LIKELY,
            address,
            summary,
            evidence,
            ("bt 20", "bt -5"),
        )


def _stack_of(scene: Scene, pointer: int) -> VMA | None:
    """Return the mapping of the stack that the pointer is on: the pointer itself may already be in the guard, below it."""
    here = scene.vma(pointer)
    if here is None or not here.writable:
        here = scene.process.address_space.around(pointer)[1]
    return here if here is not None and here.writable else None


def _is_guard_inside(scene: Scene, address: int) -> bool:
    """Whether the page cannot be read although its mapping may: a guard inside a mapping (glibc 2.42 and later on Linux 6.13 and later)."""
    vma = scene.vma(address)
    return vma is not None and vma.readable and vma.writable and scene.word_at(address & -scene.word) is None


def _is_main_stack(scene: Scene, stack: VMA) -> bool:
    """Whether this is the first thread's stack: in a core no name says so, but nothing but the vdso and vsyscall lies above."""
    return scene.process.kind == "core" and not any(
        vma.start >= stack.end and vma.writable for vma in scene.process.address_space
    )


def _main_overflow(scene: Scene, address: int, stack: VMA) -> Verdict:
    used = stack.end - address
    limit = scene.stack_limit
    evidence = [f"the stack is {scene.vma_line(stack)}", f"the address is {used:#x} bytes below its end"]
    if limit is not None:
        evidence.append(f"the limit on its size is {limit:#x} bytes (ulimit -s {limit >> 10})")
    again = recursion(scene)
    near_limit = limit is not None and used > limit - (1 << 20)
    confidence = CERTAIN if near_limit or again else LIKELY
    next_steps = ("bt 20", "bt -5")
    return Verdict(
        "stack_overflow", confidence, address, "the stack has grown to its limit", (*evidence, *again), next_steps
    )


def recursion(scene: Scene) -> tuple[str, ...]:
    """Return a line that names the function that calls itself, and about how deep, where the innermost frames repeat."""
    frames = [each for each in scene.stop.frames if each.function]
    for period in range(1, 9):
        repeats = frames[period : 4 * period]
        names = [each.function for each in frames[:period]]
        if len(repeats) < 3 * period or any(
            each.function != names[index % period] for index, each in enumerate(repeats)
        ):
            continue
        each_size = (frames[3 * period].stack_pointer - frames[0].stack_pointer) // 3
        stack = _stack_of(scene, frames[0].stack_pointer)
        depth = (stack.end - frames[0].stack_pointer) // each_size if stack is not None and each_size > 0 else 0
        cycle = " -> ".join(names)
        return (f"{cycle} calls itself: about {depth:,} deep, {each_size} bytes of stack each time",)
    return ()


def _unmapped(scene: Scene, address: int) -> Iterator[Verdict]:
    evidence = (
        *scene.surroundings(address),
        *(f"{each.text} {each.access}s {each.address:#x}" for each in scene.accesses[:1]),
    )
    below, _ = scene.process.address_space.around(address)
    if address < 0x10000 or not scene.is_canonical(address) or scene.is_kernels(address):
        return
    if below is not None and address - below.end < PAGE:
        yield from _past_end(scene, address, below, evidence)
    yield from _was_mmapped(scene, address, evidence)
    yield Verdict("unmapped", CERTAIN, address, "nothing is mapped at the address", evidence, (f"vmmap {address:#x}",))


def _past_end(scene: Scene, address: int, below: VMA, evidence: tuple[str, ...]) -> Iterator[Verdict]:
    over = f"{address - below.end:#x} bytes" if address > below.end else "just"
    string = scene.instruction.string
    if string:
        summary = f"a string instruction ({scene.instruction.mnemonic}) ran {over} past the end of what it was given"
        left = scene.stop.thread.registers.get("rcx" if scene.word == 8 else "ecx")
        more = (f"{left:#x} elements were left to go",) if left is not None and scene.instruction.repeats else ()
        yield Verdict("string_overrun", CERTAIN, address, summary, (*evidence, *more), ("up", "info locals"))
    # Since glibc 2.43 an mmapped chunk's size leaves out the last two words of its mapping.
    chunk = scene.chunk(below.end - 1) or scene.chunk(below.end - 2 * scene.word - 1)
    if chunk is not None and chunk.is_mmapped:
        summary = f"{over} past the end of an mmapped block of {chunk.size:#x} bytes"
        yield Verdict(
            "past_chunk_end",
            CERTAIN,
            address,
            summary,
            (*evidence, scene.chunk_words(chunk)),
            (f"heap chunk {chunk.address:#x}",),
        )
    elif chunk is not None and chunk.state is State.TOP:
        summary = "past the end of the heap: the access ran through top and out of it"
        yield Verdict(
            "past_chunk_end",
            LIKELY,
            address,
            summary,
            (*evidence, scene.chunk_words(chunk)),
            ("heap chunks --count 0",),
        )
    summary = f"{over} past the end of a mapping"
    yield Verdict("past_mapping_end", CERTAIN, address, summary, evidence, (f"vmmap {below.start:#x}",))


def _was_mmapped(scene: Scene, address: int, evidence: tuple[str, ...]) -> Iterator[Verdict]:
    """A pointer that malloc gave out for a mapped chunk ends in the header's size; the mapping goes when it is freed."""
    heap = scene.heap
    if heap is None or heap.parameters is None:
        return
    parameters = heap.parameters
    fewer = parameters["max_n_mmaps"] > parameters["n_mmaps"]
    bases = [each.base_value for each in scene.accesses if each.base] or [address]
    # The first mem in a mapping: an i386 chunk begins 8 bytes into it, so that mem is aligned.
    first_mem = align_up(heap.layout.header, heap.layout.alignment)
    typical = any(base % PAGE == first_mem and scene.vma(base) is None for base in bases)
    if not fewer:
        return
    facts = [f"mp_ counts {parameters['n_mmaps']} mmapped chunks now, and {parameters['max_n_mmaps']} at most before"]
    if typical:
        facts.append(f"the pointer ends in {first_mem:#05x}, as malloc's pointers to mapped blocks do")
    if not parameters["no_dyn_threshold"] and parameters["mmap_threshold"] > 128 << 10:
        facts.append(
            f"mmap_threshold has risen to {parameters['mmap_threshold']:#x}, as it does when such a block is freed"
        )
    summary = "the block that was here had a mapping of its own, which free has given back: a use after free"
    confidence = LIKELY if typical else POSSIBLE
    yield Verdict(
        "freed_mmapped_chunk", confidence, address, summary, (*evidence, *facts), ("heap params", f"vmmap {address:#x}")
    )


def _bus(scene: Scene, address: int, code: int) -> Iterator[Verdict]:
    vma = scene.vma(address)
    evidence = scene.surroundings(address)
    if code == BUS_ADRERR and vma is not None:
        summary = f"the file behind the mapping ends before this page ({vma.path or 'its name is not known'})"
        offset = vma.offset + (address - vma.start)
        facts = (*evidence, f"the page is at offset {offset & -PAGE:#x} of the file")
        yield Verdict(
            "bus_beyond_eof",
            CERTAIN,
            address,
            summary,
            facts,
            ("shell ls -l " + vma.path if vma.path.startswith("/") else "vmmap",),
        )
    elif code == BUS_ADRALN:
        yield Verdict(
            "bus_misaligned",
            CERTAIN,
            address,
            "the address is not aligned as the access demands",
            evidence,
            ("info registers eflags",),
        )
    else:
        why = "hardware reported a memory error" if code in (BUS_MCEERR_AR, BUS_MCEERR_AO) else f"si_code is {code}"
        yield Verdict(
            "unknown",
            POSSIBLE,
            address,
            f"the memory could not be supplied: {why} (a device, or no huge page was left)",
            evidence,
        )
