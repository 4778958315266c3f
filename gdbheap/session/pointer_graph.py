"""The pointer graph of this stop, as the commands share it, and what is to be said where not all of it could be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.interface.command import Target
from gdbheap.report.printable import human_size
from gdbheap.session.assumed_zeros import note_on_zeros

if TYPE_CHECKING:
    from gdbheap.analysis.leaks.leaks import Leaks, PointerGraph


def pointer_graph(target: Target) -> PointerGraph:
    """Return the pointer graph of this stop: read once, kept until the process runs on."""
    from gdbheap.analysis.leaks.leaks import read_pointer_graph  # kept out of gdb's start
    from gdbheap.analysis.pointers.pointer_scan import PointerScan

    sieve = PointerScan.of_space(target.process.pointer_size, target.process.address_space)
    view = target.heap(sieve)
    held: PointerGraph = target.keep("held", lambda progress: read_pointer_graph(target.process, view, progress, sieve))
    return held


def judged_blocks(target: Target, heuristics: Sequence[str] | None = None) -> Leaks:
    """Return the verdicts of this stop by these heuristics (None: by all), reached once."""
    from gdbheap.analysis.leaks.heuristics import HEURISTICS
    from gdbheap.analysis.leaks.leaks import find_leaks

    held = pointer_graph(target)
    chosen = HEURISTICS if heuristics is None else tuple(heuristics)
    leaks: Leaks = target.keep(
        f"leaks {chosen}", lambda progress: find_leaks(target.process, target.heap(), held, chosen, progress)
    )
    return leaks


def notes_on(target: Target, held: PointerGraph) -> Iterator[str]:
    """Yield what the reader must know about what was not read."""
    unread = held.graph.unread + held.unread
    yield from note_on_zeros(target.process)
    if held.interrupted:
        yield (
            f"stopped by Ctrl-C, with {human_size(unread)} of what is known of the heap not read: only what is held by what was read is certain, "
            "and no block is called lost (undecided). The next command reads anew"
        )
    elif held.blind:
        what = (
            f"{counted(unread, 'byte')} of the core's memory are missing"
            if target.process.kind == "core"
            else f"memory of the remote process too large for the connection was not read ({human_size(unread)}; gdb on that machine can)"
        )
        yield f"{what}: who is held from there is not known, so no block is called lost (undecided)"
