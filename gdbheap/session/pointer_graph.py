"""The pointer graph of this stop, as the commands share it, and what is to be said where not all of it could be
read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.report.printable import human_size
from gdbheap.session.assumed_zeros import note_on_zeros
from gdbheap.session.stand_ins import note_on_stand_ins
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.pointers.roots import RootRegister
    from gdbheap.process.memory import ReadProgress

# So many missing ranges are named.
_MOST_RANGES = 4

_GRAPH: Key[PointerGraph] = Key("pointer graph")


def pointer_graph(target: Target) -> PointerGraph:
    """Return the pointer graph of this stop: read once, kept until the process runs on."""
    from gdbheap.analysis.pointers.pointer_graph import read_pointer_graph  # kept out of gdb's start
    from gdbheap.analysis.pointers.pointer_scan import PointerScan

    if target.knows(_GRAPH):
        return target.known(_GRAPH)
    sieve = PointerScan.of_space(target.process.machine, target.process.address_space)
    view = target.heap(sieve)

    def read(progress: ReadProgress | None) -> PointerGraph:
        return read_pointer_graph(target.process, view, progress, sieve, _vectors(target))

    return target.keep(_GRAPH, read)


def pointers_to(target: Target, block: int) -> PointerGraph:
    """Return of the pointer graph the pointers to one of the heap's blocks alone (all of it where it is known)."""
    from gdbheap.analysis.pointers.pointers_to import read_pointers_to  # kept out of gdb's start

    if target.knows(_GRAPH):
        return pointer_graph(target)
    heap = target.heap()
    of_block: Key[PointerGraph] = Key(("pointers to", block))
    return target.keep(
        of_block, lambda progress: read_pointers_to(target.process, heap, block, _vectors(target), progress)
    )


def _vectors(target: Target) -> list[RootRegister]:
    """Return the words of vector registers that could be pointers."""
    from gdbheap.analysis.pointers.roots import RootRegister

    return [RootRegister(name, word, thread=number) for number, name, word in target.vector_registers()]


def notes_on(target: Target, held: PointerGraph, lost: bool) -> Iterator[str]:
    """Yield what the reader must know about what was not read; `lost`: the answer calls something lost, which what
    was taken for zeros might hold."""
    unread = held.graph.unread + held.unread
    if lost:
        yield from note_on_zeros(target.process)
        yield from note_on_stand_ins(target.process)
    if held.interrupted:
        yield (
            f"stopped by Ctrl-C with {human_size(unread)} of memory unread: what is held by the rest is certain, and "
            "no block is called lost (undecided). The next command reads again"
        )
    elif lost and not target.process.address_space.known:
        yield (
            "this target does not list its mappings: the undecided blocks are lost, unless a mapping that was not "
            "found holds them; `heap leaks --ignore-missing` judges as if there were none"
            if held.blind
            else "this target does not list its mappings: the lost blocks are lost only if no mapping that was not "
            "found holds them"
        )
    elif unread and (held.blind or held.missing):
        what = (
            f"{human_size(unread)} of the process's memory is missing from the core"
            if target.process.kind == "core"
            else f"memory of the remote process too large for the connection was not read ({human_size(unread)}; gdb "
            "on that machine can)"
        )
        ranges = ", ".join(f"{start:#x}-{end:#x}" for start, end in held.missing[:_MOST_RANGES])
        more = len(held.missing) - _MOST_RANGES
        rest = f", and {counted(more, 'more range')}" if more > 0 else ""
        where = f" ({ranges}{rest})" if ranges else ""
        yield f"{what}{where}: " + (
            "the undecided blocks are lost, unless that memory holds them; `heap leaks --ignore-missing` judges as "
            "if it held nothing"
            if held.blind
            else "the lost blocks are lost only if that memory holds none of them"
        )
