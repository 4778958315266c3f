"""Which live blocks keep free memory from going back, as heap rss tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.lazy import np
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line
from gdbheap.session.block_kinds import block_kinds
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.retained import nearest_name, retained
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.glibc.heap_view import HeapView

# Less free memory than this between live blocks needs no culprits.
_LEAST_SPREAD = 1 << 20


@dataclass(frozen=True)
class Culprits:
    """`blocks` live ones of `bytes` are spread over `spread` bytes, a good part of them free. Most have the chunk size
    `size` (`size_blocks` of them), and are `type`; `example` is one of these, held by `holder` ("": by nothing).
    """

    blocks: int
    bytes: int
    spread: int
    size: int
    size_blocks: int
    type: str
    example: int
    holder: str


def find_culprits(target: Target, view: HeapView) -> Culprits | None:
    """Return them; None where little free memory lies between live blocks."""
    from gdbheap.analysis.memory_use.culprits import scattered  # kept out of gdb's start

    found = scattered(view)
    if found.spread - found.bytes < _LEAST_SPREAD or not len(found.rows):
        return None
    sizes, counts = np.unique(view.table.size[found.rows], return_counts=True)
    size, count = int(sizes[np.argmax(counts)]), int(counts.max())
    rows = found.rows[view.table.size[found.rows] == np.uint64(size)]
    blocks = np.flatnonzero(np.isin(pointer_graph(target).blocks.row, rows))
    kinds = block_kinds(target)
    codes, first, alike = np.unique(kinds.code[blocks], return_index=True, return_counts=True)
    if not len(codes):
        return None
    block = int(blocks[first[np.argmax(alike)]])
    start = int(pointer_graph(target).blocks.start[block])
    holder = nearest_name(target, retained(target), block)
    return Culprits(len(found.rows), found.bytes, found.spread, size, count, kinds.name(block), start, holder)


def culprit_lines(found: Culprits | None) -> Iterator[Line]:
    """Yield what they are, and who holds them."""
    if found is None:
        return
    held = f"held by {found.holder}" if found.holder else "nothing leads to it"
    spread = human_size(found.spread)
    if found.blocks == 1:
        text = f"1 live block of {human_size(found.bytes)} ({found.type}) stands alone in {spread}"
    else:
        text = (
            f"{counted(found.blocks, 'live block')} ({human_size(found.bytes)}, mostly of {found.size:#x} bytes: "
            f"{found.size_blocks:,}, {found.type}) are spread over {spread}"
        )
    yield Line.plain(f"  {text}")
    yield Line.plain(f"  for example the block at {found.example:#x}, {held}: `heap owners {found.example:#x}`")


def culprit_json(found: Culprits | None) -> dict[str, Any] | None:
    """Return them as JSON has them."""
    return None if found is None else {**vars(found), "example": f"{found.example:#x}", "holder": found.holder or None}
