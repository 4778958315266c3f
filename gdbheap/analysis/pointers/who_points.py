"""Who points here: the words that lead to a block, as the pointer graph has them, and those of all memory that lead
into a range, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.pointers.hidden import untagged
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import DATA, KERNEL, LOST_TRAIL, MAPPING, REGISTER, STACK
from gdbheap.analysis.pointers.search import Values, find_words, searched_ranges
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.live.touched import touched_spans
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process

BLOCK = "block"
# What tells most of who keeps a block: memory that lasts, and at last what passes by and may be old.
_TELLING = {kind: index for index, kind in enumerate((DATA, MAPPING, LOST_TRAIL, BLOCK, KERNEL, STACK, REGISTER))}


@dataclass(frozen=True)
class Holder:
    """A word that points into a block, `offset` bytes from its start.

    `kind` is REGISTER, KERNEL, BLOCK or that of a root range; `place` the word's address (None: a register, or what the
    kernel keeps, which `register` names). `block` is the index of the block that the word lies in (None: in none),
    `thread` the debugger's number of the thread whose register or stack it is.
    """

    kind: str
    place: int | None
    offset: int
    block: int | None = None
    register: str = ""
    thread: int | None = None


def telling(holder: Holder) -> int:
    """Return less for a holder that tells more of who keeps a block."""
    return _TELLING[holder.kind]


def holders_of(process: Process, held: PointerGraph, block: int) -> list[Holder]:
    """Return every word that points into the block, those that tell most first, of a kind in order of address:
    variables, other memory, blocks, what the kernel keeps, stacks, registers."""
    found = list(root_words(held, block))
    for source in distinct(held.graph.source[held.graph.target == block]).tolist():
        found += words_in_block(process, held, source, block)
    return sorted(found, key=telling)


def _in_register(held: PointerGraph, index: int, offset: int) -> Holder:
    register = held.roots.registers[index]
    return Holder(register.kind, None, offset, register=register.register, thread=register.thread)


def _in_root(held: PointerGraph, place: int, offset: int) -> Holder:
    root = held.roots.find(place)
    return Holder(MAPPING, place, offset) if root is None else Holder(root.kind, place, offset, thread=root.thread)


def root_words(held: PointerGraph, block: int) -> Iterator[Holder]:
    """Yield the registers and words outside of blocks that point into the block: registers first."""
    for index, target, offset in held.registers:
        if target == block:
            yield _in_register(held, index, offset)
    for row in np.flatnonzero(held.from_roots.target == block).tolist():
        yield _in_root(held, int(held.from_roots.place[row]), int(held.from_roots.offset[row]))


def words_in_block(process: Process, held: PointerGraph, source: int, target: int) -> Iterator[Holder]:
    """Yield the words of one block that point into another."""
    low, high = int(held.blocks.start[target]), int(held.blocks.end[target])
    start, end = int(held.blocks.start[source]), int(held.blocks.end[source])
    kind = np.dtype(f"u{process.pointer_size}")
    for address, data in readable_pieces(process.memory, start, end):
        words = untagged(np.frombuffer(data, kind, len(data) // process.pointer_size), process.machine)
        for index in np.flatnonzero((words >= kind.type(low)) & (words < kind.type(high))).tolist():
            yield Holder(BLOCK, address + index * process.pointer_size, int(words[index]) - low, source)


@dataclass(frozen=True)
class HeldPointer:
    """An address, and where it is held: in the `register` of `thread` (the debugger's number), or in the word at
    `place`."""

    pointer: int
    place: int | None = None
    register: str = ""
    thread: int | None = None


def pointers_into(process: Process, low: int, high: int) -> Iterator[HeldPointer]:
    """Yield what holds an address in [low, high): registers, then words_into()."""
    yield from registers_into(process, low, high)
    for place, pointer in words_into(process, low, high):
        yield HeldPointer(pointer, place)


def registers_into(process: Process, low: int, high: int) -> Iterator[HeldPointer]:
    """Yield the registers that hold an address in [low, high)."""
    for thread in process.threads:
        for name, value in thread.registers.items():
            if low <= value < high and name not in process.machine.without_pointers:
                yield HeldPointer(value, register=name, thread=thread.number)


def words_into(process: Process, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield (place, pointer) of the words of all writable memory, in use or not, that hold an address in [low, high),
    those within it left out."""
    ranges = touched_spans(process, searched_ranges(process.address_space))
    for place, pointer in find_words(process.memory, ranges, Values.of_pointers(process, low, high - 1)):
        if not low <= place < high:
            yield place, pointer
