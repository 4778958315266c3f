"""Streams of stdio, and their buffers (libio: struct _IO_FILE_plus)."""

from __future__ import annotations

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.types.confidence import Confidence

# The upper half of a stream's flags.
_MAGIC = 0xFBAD
# struct _IO_FILE: behind the flags and six pointers that of the buffer's start; in all 17 words and 80 bytes that are
# none, and behind it the pointer to the vtable.
_BUFFER, _WORDS, _OTHERS = 7, 17, 80
# So many are looked at: a process has few.
_MOST = 4096


class FileStreams:
    """Names streams that libc's functions work on, and the buffers that they have from malloc."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name "FILE" and "a FILE's buffer"."""
        size = given.pointer_size
        flags = given.column(0)
        marked = (flags >> np.uint64(16) & np.uint64(0xFFFF) == np.uint64(_MAGIC)) & (flags >> np.uint64(32) == 0)
        place = _WORDS * size + _OTHERS
        for row in np.flatnonzero(marked & (given.size >= np.uint64(place + size)))[:_MOST].tolist():
            block = int(given.rows[row])
            try:
                vtable = self._lookup.process.words.read(int(given.blocks.start[block]) + place)
            except MemoryFault:
                continue
            if vtable % size or not self._lookup.is_static(vtable) or self._lookup.is_code(vtable):
                continue
            labels.put([block], "FILE", Confidence.CERTAIN)
            buffer = int(given.column(_BUFFER * size)[row])
            owned = given.blocks.find(buffer)
            if owned is not None and int(given.blocks.start[owned]) == buffer:
                labels.put([owned], "a FILE's buffer", Confidence.CERTAIN)
