"""Stacks for signals (sigaltstack) of malloc'ed memory: only the kernel knows where they are, and it does not tell.
Their size gives them away: programs ask for a multiple of what a signal's frame may need, which the kernel tells,
and which no other size is by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.images.auxv import AT_MINSIGSTKSZ
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As many times the smallest: sysconf(_SC_SIGSTKSZ) is four times it, and erlang takes four times that.
_TIMES = (1, 2, 4, 8, 16)
# So much larger than what was asked for a block may be: by malloc's rounding, or by a page where it is mmapped.
_ROUNDED = 32
_MMAPPED = 128 << 10


def find_signal_stacks(process: Process, blocks: Blocks, lost: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return which of the lost blocks are as large as signal stacks; of one size not more than there are threads."""
    smallest = process.auxv.get(AT_MINSIGSTKSZ, 0)
    found = [np.empty(0, np.int32)]
    usable = blocks.end - blocks.start
    for times in _TIMES if smallest else ():
        size = smallest * times
        slack = _ROUNDED + (process.page_size if size >= _MMAPPED else 0)
        alike = np.flatnonzero(lost & (usable - np.uint64(size) < np.uint64(slack)))
        if len(alike) <= len(process.threads):
            found.append(alike.astype(np.int32))
    return distinct(np.concatenate(found))
