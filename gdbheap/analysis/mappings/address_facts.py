"""What is known about one address: its mapping, the place in its file, the chunk, the stack; or what lies around it."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.machine import Machine
from gdbheap.process.process import Process, Thread


def facts_at(process: Process, annotated: AnnotatedVMA, address: int, heap: Heap | None = None) -> tuple[str, ...]:
    """Return a line for each thing that is known about an address in a mapping, the widest first."""
    return tuple(_facts(process, annotated, address, heap))


def facts_between(
    below: AnnotatedVMA | None, above: AnnotatedVMA | None, address: int, machine: Machine
) -> tuple[str, ...]:
    """Return a line for each thing that is known about an address in no mapping: what lies on both sides, and how
    far."""
    lines = [f"{address:#x} is in no mapping{_why(address, machine)}"]
    if below is not None:
        past = address - below.vma.end
        where = f"{past:#x} bytes past the end of" if past else "just past the end of"
        lines.append(f"{where} {_side(below, below.parts[-1])}, which ends at {below.vma.end:#x}")
    if above is not None:
        distance = above.vma.start - address
        lines.append(f"{distance:#x} bytes below {_side(above, above.parts[0])}, which starts at {above.vma.start:#x}")
    if below is not None and above is not None:
        lines.append(f"the gap between them has {above.vma.start - below.vma.end:#x} bytes")
    return tuple(lines)


def part_at(annotated: AnnotatedVMA, address: int) -> AnnotatedPart:
    """Return the part of the mapping that holds the address."""
    return next(part for part in annotated.parts if part.start <= address < part.end)


def _facts(process: Process, annotated: AnnotatedVMA, address: int, heap: Heap | None) -> Iterator[str]:
    vma, part = annotated.vma, part_at(annotated, address)
    yield (
        f"{address:#x} is {address - vma.start:#x} bytes into its mapping, {vma.end - address:#x} before its end: "
        f"{part.text}"
    )
    if vma.is_file:
        yield f"offset {vma.offset + address - vma.start:#x} of {vma.path}"
    module = next((m for m in process.modules if any(s.start <= address < s.end for s in m.segments)), None)
    if module is not None and (vma.path == module.path or part.kind.endswith("_bss")):
        yield f"ELF address {address - module.load_base:#x} of {module.path}"
    yield from _heap_facts(heap, address)
    for thread in process.threads:
        yield from _stack_facts(thread, annotated, address)


def _heap_facts(heap: Heap | None, address: int) -> Iterator[str]:
    piece = heap.piece_at(address) if heap is not None else None
    if piece is None:
        return
    inside = f"{address - piece.mem:#x} bytes into its mem" if address >= piece.mem else "in its header"
    yield f"in the chunk at {piece.start:#x} ({piece.end - piece.start:#x} bytes, {piece.state}), {inside}"


def _stack_facts(thread: Thread, annotated: AnnotatedVMA, address: int) -> Iterator[str]:
    pointer = thread.stack_pointer
    if pointer in annotated.vma and part_at(annotated, pointer) is part_at(annotated, address):
        distance = f"{abs(address - pointer):#x} bytes {'above' if address > pointer else 'below'}"
        yield f"{distance if address != pointer else 'at'} the stack pointer of thread {thread.number}"


def _side(annotated: AnnotatedVMA, part: AnnotatedPart) -> str:
    path = annotated.vma.path
    return f"{part.text} ({path})" if path and path not in part.text else part.text


def _why(address: int, machine: Machine) -> str:
    """Return what the number itself tells: the kernel's half, no address at all, the pages around NULL."""
    if address < NULL_ZONE:
        return ", near NULL" if address else ": it is NULL"
    if address > machine.mask:
        return f", beyond {8 * machine.pointer_size} bits"
    if not machine.is_canonical(address):
        return f": it is not canonical (no {machine.name} address with {machine.address_bits + 1} bits)"
    return ": it is the kernel's half" if machine.is_kernels(address) else ""
