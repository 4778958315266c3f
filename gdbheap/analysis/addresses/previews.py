"""What many chunks hold, in a few words each: the same as preview.py says of one, most of it from columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.addresses.preview import SHORTEST_TEXT, TEXT_BYTES, WORDS, links, preview
from gdbheap.glibc.chunk_table import FREE_STATES, Chunk, ChunkTable, State
from gdbheap.glibc.layout import Layout
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.memory import Memory
from gdbheap.process.symbols import SymbolAt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Words = NDArray[np.uint64]

MayBeNamed = Callable[["Words"], "Mask"]

_SHOWN = " ".join(["%#x"] * WORDS)
_NO_CONTENTS = (State.TOP, State.FENCEPOST, State.UNKNOWN)


def previews(
    memory: Memory, layout: Layout, table: ChunkTable, symbol_at: SymbolAt, may_be_named: MayBeNamed
) -> list[str]:
    """Return the preview of each chunk of the table, which ascends; `may_be_named` says which words symbol_at() can
    have a name for."""
    pointer_size = layout.pointer_size
    count = TEXT_BYTES // pointer_size
    mems = table.address + np.uint64(layout.header)
    words, known = gather_known(memory, pointer_size, mems, count)
    size = np.maximum(table.size, np.uint64(pointer_size)) - np.uint64(pointer_size)
    words[np.arange(count, dtype=np.uint64) >= (size // np.uint64(pointer_size))[:, None]] = 0
    free = known & np.isin(table.state, [int(state) for state in FREE_STATES])
    empty = np.isin(table.state, [int(state) for state in _NO_CONTENTS])
    plain = known & ~free & ~empty
    plain &= size >= np.uint64(WORDS * pointer_size)
    plain &= ~_begin_with_text(words, pointer_size) & ~may_be_named(words[:, :WORDS]).any(axis=1)
    zeros = plain & ~words.any(axis=1)
    shown = [""] * len(table)
    for row in np.flatnonzero(zeros).tolist():
        shown[row] = "zeros"
    rows = np.flatnonzero(plain & ~zeros)
    for row, text in zip(rows.tolist(), map(_SHOWN.__mod__, zip(*words[rows, :WORDS].T.tolist()))):
        shown[row] = text
    rows = np.flatnonzero(free)
    heads = (words[rows, 0].tolist(), words[rows, 1].tolist())
    for row, state, mem, fd, bk in zip(rows.tolist(), table.state[rows].tolist(), mems[rows].tolist(), *heads):
        shown[row] = links(layout, state, mem, fd, bk)
    columns = (table.address, table.size, table.flags, table.state, table.arena)
    rest = np.flatnonzero(~plain & ~empty & ~free)
    for row, address, chunk_size, flags, state, arena in zip(rest.tolist(), *(each[rest].tolist() for each in columns)):
        chunk = Chunk(address, chunk_size, flags, State(state), arena)
        shown[row] = preview(memory, layout, chunk, symbol_at)
    return shown


def _begin_with_text(words: Words, pointer_size: int) -> Mask:
    """Return which rows may be told as text."""
    octets = words[:, :1] >> (np.arange(min(SHORTEST_TEXT, pointer_size), dtype=np.uint64) * np.uint64(8))
    octets &= np.uint64(0xFF)
    may_be: Mask = ((octets >= 0x20) & (octets < 0x7F)).all(axis=1)
    return may_be
