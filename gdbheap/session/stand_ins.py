"""What is to be said where an answer rests on files that stand in for what a core does not hold, or on none being
there: something is called lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.counted import counted
from gdbheap.process.process import Process
from gdbheap.report.printable import human_size, printable


def note_on_stand_ins(process: Process) -> Iterator[str]:
    """Yield a line for what is read from files, and one for what is nowhere."""
    if process.stand_ins:
        yield (
            f"{_mapped(process.stand_ins)} are not in the core: they were read from that file as it is now, on the "
            "assumption that it has not changed since (it is no newer than the core, but not every file system notes "
            "what is written through a mapping)"
        )
    if process.left_out:
        yield (
            f"{_mapped(process.left_out)} are not in the core (gdb leaves out shared and unchanged memory), and no "
            "such file older than the core is here: blocks that only they point to look lost"
        )


def _mapped(mappings: Sequence[tuple[int, int, str]]) -> str:
    size = human_size(sum(end - start for start, end, _ in mappings))
    names = list(dict.fromkeys(path for _, _, path in mappings))
    others = f" and {counted(len(names) - 1, 'other file')}" if len(names) > 1 else ""
    return f"{size} that were mapped from {printable(names[0])}{others}"
