"""What is known about one address: its mapping, the place in its file, the chunk, the stack; or what lies around it."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.live.pages import PageState
from gdbheap.process.process import Process, Thread


class NoPlace(enum.Enum):
    """What the number of an address alone tells; the value is the published name."""

    NULL = "null"
    NEAR_NULL = "near_null"
    TOO_WIDE = "too_wide"
    NOT_CANONICAL = "not_canonical"
    KERNELS_HALF = "kernels_half"


@dataclass(frozen=True)
class AtMappingOffset(Fact):
    """The address is `offset` bytes into its mapping, `left` before its end, in the `part` of that name."""

    kind = "in_mapping"
    address: Hex
    offset: int
    left: int
    part: str


@dataclass(frozen=True)
class InFile(Fact):
    """The byte is at `offset` of a file."""

    kind = "in_file"
    offset: int
    path: str


@dataclass(frozen=True)
class InModule(Fact):
    """The address that the module's file has for it."""

    kind = "in_module"
    elf_address: Hex
    path: str


@dataclass(frozen=True)
class InPiece(Fact):
    """It lies in a chunk, `offset` bytes into its mem (None: in its header)."""

    kind = "in_chunk"
    chunk: Hex
    size: int
    state: str
    offset: int | None


@dataclass(frozen=True)
class NearStackPointer(Fact):
    """How far above the stack pointer of a thread it is (negative: below)."""

    kind = "near_stack_pointer"
    above: int
    thread: int


@dataclass(frozen=True)
class OnPage(Fact):
    """What the page there is."""

    kind = "on_page"
    state: PageState


@dataclass(frozen=True)
class InNoMapping(Fact):
    """Nothing is mapped at the address; `why` is what the number tells, if anything, for `bits` of such a machine."""

    kind = "in_no_mapping"
    address: Hex
    why: NoPlace | None
    machine: str
    bits: int


@dataclass(frozen=True)
class AboveMapping(Fact):
    """The address is `distance` bytes past the `end` of the part below it; `path` is its mapping's."""

    kind = "above_mapping"
    distance: int
    part: str
    path: str
    end: Hex


@dataclass(frozen=True)
class BelowMapping(Fact):
    """The address is `distance` bytes below the `start` of the part above it; `path` is its mapping's."""

    kind = "below_mapping"
    distance: int
    part: str
    path: str
    start: Hex


@dataclass(frozen=True)
class GapOf(Fact):
    """How many bytes lie between the two mappings."""

    kind = "gap"
    size: int


def facts_at(process: Process, annotated: AnnotatedVMA, address: int, heap: Heap | None = None) -> tuple[Fact, ...]:
    """Return each thing that is known about an address in a mapping, the widest first."""
    return tuple(_facts(process, annotated, address, heap))


def facts_between(
    below: AnnotatedVMA | None, above: AnnotatedVMA | None, address: int, process: Process
) -> tuple[Fact, ...]:
    """Return each thing that is known about an address in no mapping: what lies on both sides, and how far."""
    return tuple(_facts_between(below, above, address, process))


def part_at(annotated: AnnotatedVMA, address: int) -> AnnotatedPart:
    """Return the part of the mapping that holds the address."""
    return next(part for part in annotated.parts if part.start <= address < part.end)


def _facts(process: Process, annotated: AnnotatedVMA, address: int, heap: Heap | None) -> Iterator[Fact]:
    vma, part = annotated.vma, part_at(annotated, address)
    yield AtMappingOffset(address, address - vma.start, vma.end - address, part.text)
    if vma.is_file:
        yield InFile(vma.offset + address - vma.start, vma.path)
    module = next((m for m in process.modules if any(s.start <= address < s.end for s in m.segments)), None)
    if module is not None and (vma.path == module.path or part.kind.endswith("_bss")):
        yield InModule(address - module.load_base, module.path)
    piece = heap.piece_at(address) if heap is not None else None
    if piece is not None:
        inside = address - piece.mem if address >= piece.mem else None
        yield InPiece(piece.start, piece.end - piece.start, piece.state, inside)
    for thread in process.threads:
        yield from _stack_facts(thread, annotated, address)


def _stack_facts(thread: Thread, annotated: AnnotatedVMA, address: int) -> Iterator[Fact]:
    pointer = thread.stack_pointer
    if pointer in annotated.vma and part_at(annotated, pointer) is part_at(annotated, address):
        yield NearStackPointer(address - pointer, thread.number)


def _facts_between(
    below: AnnotatedVMA | None, above: AnnotatedVMA | None, address: int, process: Process
) -> Iterator[Fact]:
    why, machine = _why(address, process), process.machine
    bits = process.address_bits + 1 if why is NoPlace.NOT_CANONICAL else 8 * machine.pointer_size
    yield InNoMapping(address, why, machine.name, bits)
    if below is not None:
        yield AboveMapping(address - below.vma.end, below.parts[-1].text, below.vma.path, below.vma.end)
    if above is not None:
        yield BelowMapping(above.vma.start - address, above.parts[0].text, above.vma.path, above.vma.start)
    if below is not None and above is not None:
        yield GapOf(above.vma.start - below.vma.end)


def _why(address: int, process: Process) -> NoPlace | None:
    """Return what the number itself tells: the kernel's half, no address at all, the pages around NULL."""
    machine = process.machine
    if address < NULL_ZONE:
        return NoPlace.NEAR_NULL if address else NoPlace.NULL
    if address > machine.mask:
        return NoPlace.TOO_WIDE
    if not process.is_canonical(address):
        return NoPlace.NOT_CANONICAL
    return NoPlace.KERNELS_HALF if machine.is_kernels(address) else None
