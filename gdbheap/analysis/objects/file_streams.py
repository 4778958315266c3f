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
# Where the vtable pointer lies, and the start of the buffer, by the size of a pointer.
_VTABLE = {8: 0xD8, 4: 0x94}
_BUFFER = {8: 0x38, 4: 0x1C}
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
        for row in np.flatnonzero(marked & (given.size >= np.uint64(_VTABLE[size] + size)))[:_MOST].tolist():
            block = int(given.rows[row])
            try:
                vtable = self._lookup.process.words.read(int(given.blocks.start[block]) + _VTABLE[size])
            except MemoryFault:
                continue
            if vtable % size or not self._lookup.is_static(vtable) or self._lookup.is_code(vtable):
                continue
            labels.put([block], "FILE", Confidence.CERTAIN)
            buffer = int(given.column(_BUFFER[size])[row])
            owned = given.blocks.find(buffer)
            if owned is not None and int(given.blocks.start[owned]) == buffer:
                labels.put([owned], "a FILE's buffer", Confidence.CERTAIN)
