"""The memory that libstdc++ sets aside when it is loaded, for exceptions that are thrown when malloc has none
(libsupc++/eh_alloc.cc: class pool, a variable that is no symbol of a stripped library)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.lazy import np
from gdbheap.process.memory import readable_pieces
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "exception pool of libstdc++"
# The smallest there is has 64 exceptions of 512 bytes each where pointers have 4 (by default; tunable since GCC 13).
_LEAST = 4096
# A module's variables are read up to here.
_MOST_BYTES = 1 << 20
_ALIGNMENT = 16  # malloc's, by which a block may be larger than what was asked for


class ExceptionPool:
    """Names the block; its variable has three words: the first free entry in it, its start and its size."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._words: list[NDArray[np.uint64]] | None = None

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name "exception pool of libstdc++"."""
        large = np.flatnonzero(given.size >= np.uint64(_LEAST))
        if not len(large):
            return
        if self._words is None:
            self._words = list(self._variables(given.pointer_size))
        start, size = given.blocks.start[given.rows[large]], given.size[large]
        for words in self._words:
            first_free, pool, length = words[:-2], words[1:-1], words[2:]
            row = np.minimum(np.searchsorted(start, pool), len(large) - 1)
            fits = (pool == start[row]) & (length <= size[row]) & (length + np.uint64(_ALIGNMENT) > size[row])
            fits &= (first_free - pool < length) | (first_free == 0)
            labels.put(given.rows[large[row[fits]]].tolist(), NAME, Confidence.CERTAIN)

    def _variables(self, pointer_size: int) -> Iterator[NDArray[np.uint64]]:
        """Yield the words of libstdc++'s variables."""
        process = self._lookup.process
        ours = [each for each in process.modules if os.path.basename(each.path).startswith("libstdc++.so")]
        for segment in (each for module in ours for each in module.segments if "w" in each.permissions):
            end = min(segment.end, segment.start + _MOST_BYTES)
            for _, data in readable_pieces(process.memory, segment.start, end):
                words = np.frombuffer(data, np.dtype(f"u{pointer_size}"), len(data) // pointer_size)
                yield words.astype(np.uint64)
