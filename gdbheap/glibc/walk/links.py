"""The links of free lists: what they lead to, and which chunks of a heap may hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import PREV_INUSE
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.sizes import fastbin_size
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.uint64]

# NFASTBINS is 10, on an i386 with 16-byte alignment 11.
_LAST_FASTBIN = 10


def demangle(field: int, stored: int, layout: Layout) -> int:
    """Return the pointer that the link at address `field` stores (REVEAL_PTR; plain before glibc 2.32).

    Where safe-linking is not known (no list had a second chunk or an end to tell by), 0 and the mangled 0 both end
    the list.
    """
    if layout.safe_linking:
        return stored ^ field >> 12
    if layout.safe_linking is None and stored == field >> 12:
        return 0
    return stored


def may_be_listed(layout: Layout, address: Column, raw: Column, fd: Column) -> NDArray[np.int64]:
    """Return the rows of the chunks, each behind the other, that an arena's lists may hold: those that the next
    header calls free (the last is kept, its next is not here), and those of a fastbin's size whose fd could be a
    link. Most of a heap is neither."""
    kept = np.ones(len(raw), np.bool_)
    np.equal(raw[1:] & np.uint64(PREV_INUSE), np.uint64(0), out=kept[:-1])
    if layout.has_fastbins:
        small = np.flatnonzero(fits_fastbins(layout, raw))
        link = fast_links(layout, address[small], fd[small])
        # (malloc asks for no addresses beyond those that every program has.)
        last = np.uint64(layout.machine.mask >> layout.machine.spare_bits)
        aligned = (link + np.uint64(layout.header)) & np.uint64(layout.alignment - 1) == 0
        kept[small[(link == 0) | (aligned & (link <= last))]] = True
    return np.flatnonzero(kept)


def fits_fastbins(layout: Layout, raw: Column) -> NDArray[np.bool_]:
    """Return which size words are those of chunks that some fastbin could hold."""
    fits: NDArray[np.bool_] = raw < np.uint64(fastbin_size(_LAST_FASTBIN + 1, layout))
    return fits


def fast_links(layout: Layout, address: Column, fd: Column) -> Column:
    """Return where the fd of these chunks leads if they are in fastbins, 0 at a list's end (demangle(), for all)."""
    if layout.safe_linking is False:
        return fd
    mangled = (address + np.uint64(layout.header)) >> np.uint64(12)
    return fd ^ mangled if layout.safe_linking else np.where(fd == mangled, np.uint64(0), fd)
