"""Frames of C++20 coroutines: two pointers to functions come first, one that resumes it and one that destroys it."""

from __future__ import annotations

from collections.abc import Callable

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.lazy import np, regex
from gdbheap.types.confidence import Confidence

# gcc's names, linked ("_Z4readi.actor") or as gdb shows them, then clang's.
_RESUME = regex(r"(?P<name>.+?)(?:\(.*[Ff]rame\*\))?(?: \[clone )?\.(?:actor|resume)\]?(?: ?\(.*\))?")
# gcc calls a frame's type after the linked name of its coroutine.
_LINKED = regex(r".*(?P<name>_Z\w+)\.[Ff]rame")
_DESTROY = (".destroy", ".cleanup")


class Coroutines:
    """Names frames after the coroutine."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name "coroutine frame of read(int)"."""
        size = given.pointer_size
        for resume, rows in values_of(given.column(0), np.flatnonzero(given.static[:, 0] & given.static[:, 1])):
            told = resumed_by(self._name(resume), self._lookup.demangled)
            if told is None or not self._lookup.is_code(resume):
                continue
            for destroy, those in values_of(given.column(size), rows):
                if any(each in self._name(destroy) for each in _DESTROY):
                    labels.put(given.rows[those], f"coroutine frame of {told[0]}", Confidence.CERTAIN)

    def _name(self, address: int) -> str:
        """Return the function that begins at the address."""
        symbol = self._lookup.symbol(address)
        return "" if symbol is None or symbol.offset else symbol.name


def resumed_by(function: str, demangled: Callable[[str], str]) -> tuple[str, str] | None:
    """Return (coroutine, its linked name, "" where the symbol does not tell) of a function that resumes one, None of
    any other."""
    match = _RESUME.fullmatch(function)
    if match is None:
        return None
    linked = _LINKED.match(function)
    return (demangled(linked["name"]), linked["name"]) if linked else (match["name"], "")
