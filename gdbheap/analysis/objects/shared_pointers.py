"""What a std::shared_ptr<T>(new T) owns: its control block has T in the name of its class, and the pointer to the
object (libstdc++'s _Sp_counted_ptr, libc++'s __shared_ptr_pointer)."""

from __future__ import annotations

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.closures import template_arguments
from gdbheap.analysis.objects.cxx_classes import CxxClasses
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import values_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.confidence import Confidence

# The template, and the word that points to the object: behind the vtable come two counts, of 32 bits or of a word.
_BLOCKS = (("std::_Sp_counted_ptr<", 8), ("std::_Sp_counted_deleter<", 8), ("std::__1::__shared_ptr_pointer<", 0))


class SharedPointers:
    """Names the objects that control blocks of shared pointers own."""

    def __init__(self, classes: CxxClasses) -> None:
        self._classes = classes

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name them after the type that they were made with."""
        start = given.blocks.start
        for address, rows in values_of(given.column(0), np.flatnonzero(given.static[:, 0])):
            vtable = self._classes.vtable(address)
            block = next((each for each in _BLOCKS if vtable is not None and vtable.name.startswith(each[0])), None)
            if vtable is None or block is None:
                continue
            prefix, counts = block
            arguments = template_arguments(vtable.name[len(prefix) :].rpartition(">")[0])
            if not arguments or not arguments[0].endswith("*"):
                continue
            place = given.pointer_size + counts if counts else 3 * given.pointer_size
            words = given.column(place)[rows]
            owned = np.minimum(np.searchsorted(start, words), len(start) - 1)
            name = arguments[0][:-1].strip()
            labels.put(distinct(owned[start[owned] == words]), name, Confidence.LIKELY)
