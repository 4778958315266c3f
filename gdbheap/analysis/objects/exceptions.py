"""Exceptions that were thrown: in front of the thrown object libstdc++ and libc++ keep a header with its type_info
and, last, who threw it ("GNUCC++"; Itanium C++ ABI: exception handling, 2.2)."""

from __future__ import annotations

import functools

from gdbheap.analysis.objects.block_words import WORDS, BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.type_info import type_name
from gdbheap.lazy import np
from gdbheap.types.confidence import Confidence

# "GNUCC++" and "CLNGC++" without the last letter, which is 1 of a copy (std::exception_ptr).
_CLASSES = tuple(int.from_bytes(each, "big") >> 8 for each in (b"GNUCC++\0", b"CLNGC++\0"))
# exception_class has so many bytes, wherever pointers have fewer.
_MARK = 8
_TYPEINFO = "typeinfo for "
_MOST = 4096


class Exceptions:
    """Names the blocks of thrown exceptions."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name "thrown std::runtime_error"."""
        if given.pointer_size < _MARK:
            marked = np.zeros(len(given.rows), np.bool_)
            for column in range(WORDS - 1):
                both = given.words[:, column] | given.words[:, column + 1] << np.uint64(32)
                marked |= np.isin(both >> np.uint64(8), np.array(_CLASSES, np.uint64))
        else:
            mark = given.words >> np.uint64(8)
            marked = functools.reduce(np.logical_or, (mark == np.uint64(each) for each in _CLASSES)).any(axis=1)
        for row in np.flatnonzero(marked)[:_MOST].tolist():
            name = self._type(given.words[row][given.static[row]].tolist())
            if name:
                labels.put([given.rows[row]], f"thrown {name}", Confidence.LIKELY)

    def _type(self, pointers: list[int]) -> str:
        """Return the type of the first pointer that leads to a type_info."""
        for pointer in pointers:
            mangled = "" if self._lookup.is_code(pointer) else type_name(self._lookup.process, pointer)
            if mangled:
                name = self._lookup.demangled(f"_ZTI{mangled}")
                return name[len(_TYPEINFO) :] if name.startswith(_TYPEINFO) else mangled
        return ""
