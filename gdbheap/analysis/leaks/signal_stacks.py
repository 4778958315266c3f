"""Stacks for signals (sigaltstack) of malloc'ed memory: only the kernel knows where they are, and it does not tell.

Their size gives them away: programs ask for a multiple of what a signal's frame may need, which the kernel tells,
and which hardly another size is by chance; nothing is one where no module of the program's calls sigaltstack. Where
one does, a round size will do, if the block's lower half, which signals hardly ever reach, was never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.dynamic_symbols import DynamicSymbols
from gdbheap.process.images.auxv import AT_BASE, AT_MINSIGSTKSZ
from gdbheap.process.images.elf_image import read_image
from gdbheap.process.memory import Memory, readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As many times the smallest: sysconf(_SC_SIGSTKSZ) is four times it, and erlang takes four times that.
_TIMES = (1, 2, 4, 8, 16)
# So much larger than what was asked for a block may be: by malloc's rounding, or by a page where it is mmapped.
_ROUNDED = 32
_MMAPPED = 128 << 10
# Round sizes: what signals' stacks were before the kernel told (MINSIGSTKSZ is 2 KiB, SIGSTKSZ 8), and up.
_ROUND, _LEAST, _MOST = 1 << 10, 2 << 10, 1 << 20
# What malloc's links may have left at the start of a block.
_LINKS = 4


def find_signal_stacks(process: Process, blocks: Blocks, lost: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return which of the lost blocks are as large as signal stacks; of one size not more than there are threads."""
    return distinct(np.concatenate([_multiples(process, blocks, lost), _round_ones(process, blocks, lost)]))


def _multiples(process: Process, blocks: Blocks, lost: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return those that are so many times the smallest stack. What a static program calls is not known."""
    smallest = process.auxv.get(AT_MINSIGSTKSZ, 0)
    found = [np.empty(0, np.int32)]
    usable = blocks.end - blocks.start
    for times in _TIMES if smallest else ():
        size = smallest * times
        slack = _ROUNDED + (process.page_size if size >= _MMAPPED else 0)
        alike = np.flatnonzero(lost & (usable - np.uint64(size) < np.uint64(slack)))
        if len(alike) <= len(process.threads):
            found.append(alike.astype(np.int32))
    all_of_them = np.concatenate(found)
    is_dynamic = process.auxv.get(AT_BASE, 0) != 0
    return all_of_them[:0] if len(all_of_them) and is_dynamic and not _calls_sigaltstack(process) else all_of_them


def _round_ones(process: Process, blocks: Blocks, lost: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return those of a round size whose lower halves are untouched, where the program calls sigaltstack."""
    usable = blocks.end - blocks.start
    is_round = (usable >= np.uint64(_LEAST)) & (usable < np.uint64(_MMAPPED))
    is_round &= usable % np.uint64(_ROUND) < np.uint64(_ROUNDED)
    above = usable % np.uint64(64 << 10) < np.uint64(_ROUNDED + process.page_size)
    is_round |= (usable >= np.uint64(_MMAPPED)) & (usable <= np.uint64(_MOST + process.page_size)) & above
    rows = np.flatnonzero(lost & is_round)
    if not len(rows) or not _calls_sigaltstack(process):
        return np.empty(0, np.int32)
    sizes = usable[rows] // np.uint64(_ROUND)
    few = np.array([np.count_nonzero(sizes == size) <= len(process.threads) for size in sizes.tolist()], np.bool_)
    spans = [(row, int(blocks.start[row]), int(blocks.end[row])) for row in rows[few].tolist()]
    links = _LINKS * process.pointer_size
    return np.array([row for row, start, end in spans if _is_empty(process.memory, start + links, end)], np.int32)


def _is_empty(memory: Memory, start: int, end: int) -> bool:
    """Whether the lower half of what lies there is zeros."""
    return not any(any(data) for _, data in readable_pieces(memory, start, start + (end - start) // 2))


def _calls_sigaltstack(process: Process) -> bool:
    images = (read_image(process, module) for module in process.modules)
    return any(image and DynamicSymbols(process, image).wanted(("sigaltstack",)) for image in images)
