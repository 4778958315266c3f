"""Interior pointers that are as good as a pointer to the start, by what compilers and libraries do: memcheck's
--leak-check-heuristics, and four more, for blocks with a header in front (block_headers.py), for memory that was
aligned by hand (aligned_inside.py), for text with its length before it (counted_text.py) and for fibres' stacks
(saved_stacks.py)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import Sizing
from gdbheap.analysis.leaks.aligned_inside import AlignedInside
from gdbheap.analysis.leaks.block_headers import Headers
from gdbheap.analysis.leaks.interior import InteriorPointers
from gdbheap.analysis.leaks.saved_stacks import SavedStacks
from gdbheap.analysis.objects.counted_text import leads_to_counted_text
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

STDSTRING = "stdstring"
LENGTH64 = "length64"
NEWARRAY = "newarray"
MULTIPLE_INHERITANCE = "multipleinheritance"
# Not memcheck's.
HEADER = "header"
ALIGNED = "aligned"
COUNTED_TEXT = "text"
STACK_POINTER = "stack"
# Not about interior pointers: encoded.py.
ENCODED_POINTERS = "encoded"
# What the types of blocks tell of their pointers: typed_pointers.py.
TYPES = "types"
HEURISTICS = (
    STDSTRING,
    LENGTH64,
    NEWARRAY,
    MULTIPLE_INHERITANCE,
    HEADER,
    ALIGNED,
    COUNTED_TEXT,
    STACK_POINTER,
    ENCODED_POINTERS,
    TYPES,
)

# How far into a vtable a function is looked for among zeros (memcheck looks at 20 entries as well).
_MOST_ENTRIES = 20


@dataclass(frozen=True)
class Inside:
    """What the heuristics go by: the blocks, the first words of each (`head`), and what was found of headers in front
    of blocks, memory aligned by hand, and stacks of fibres."""

    process: Process
    layout: Sizing
    blocks: Blocks
    head: Words
    headers: Headers
    aligned: AlignedInside
    stacks: SavedStacks


def accept(inside: Inside, pointers: InteriorPointers, chosen: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the pointers one of the `chosen` heuristics takes for a pointer to the block's start."""
    layout, blocks, head = inside.layout, inside.blocks, inside.head
    # All lead to a whole word of the block: most pointers to the inside of one (tagged ones above all) do not.
    to_word = np.flatnonzero(pointers.offset % layout.pointer_size == 0)
    target, offset = pointers.target[to_word], pointers.offset[to_word].astype(np.uint64)
    first = head[target, 0].astype(np.uint64)
    word = np.uint64(layout.pointer_size)
    accepted = np.zeros(len(target), np.bool_)
    if STDSTRING in chosen:
        rows = np.flatnonzero(offset == 3 * word)
        accepted[rows] |= _is_old_string(layout, head[target[rows]], _Sizes(layout, blocks, target[rows]))
    if LENGTH64 in chosen:
        rows = np.flatnonzero(offset == np.uint64(8))
        length = np.ascontiguousarray(head[target[rows], : 8 // layout.pointer_size]).view(np.uint64)[:, 0]
        accepted[rows] |= (length > 0) & _Sizes(layout, blocks, target[rows]).could_be(length, np.uint64(8))
    if NEWARRAY in chosen:
        rows = np.flatnonzero(offset == word)
        accepted[rows] |= _is_counted_array(first[rows], word, _Sizes(layout, blocks, target[rows]))
    if HEADER in chosen:
        accepted |= inside.headers.end_at(offset, blocks.size[target])
    if ALIGNED in chosen:
        accepted |= inside.aligned.at(target, offset)
    if STACK_POINTER in chosen:
        others = np.flatnonzero(~accepted)
        accepted[others] = inside.stacks.saved(target[others], offset[others])
    if MULTIPLE_INHERITANCE in chosen:
        vtables = _Vtables(inside.process)
        others = np.flatnonzero(~accepted & vtables.maybe(first))
        others = others[vtables.among(first[others])]
        accepted[others] = vtables.at(blocks.start[target[others]] + offset[others])
    of_all = np.zeros(len(pointers.target), np.bool_)
    of_all[to_word] = accepted
    if COUNTED_TEXT in chosen:
        others = np.flatnonzero(~of_all)
        target, offset = pointers.target[others], pointers.offset[others].astype(np.uint64)
        of_all[others] = leads_to_counted_text(inside.process, blocks, target, offset, inside.head)
    return of_all


class _Sizes:
    """What may have been asked for, for each target: malloc keeps the chunk's size alone."""

    def __init__(self, layout: Sizing, blocks: Blocks, target: NDArray[np.int32]) -> None:
        self._layout, self._blocks, self._target = layout, blocks, target

    @cached_property
    def usable(self) -> Words:
        """How many bytes the program may use of each."""
        return self._blocks.end[self._target] - self._blocks.start[self._target]

    @cached_property
    def slack(self) -> Words:
        """How much less than that may have been asked for."""
        layout, size = self._layout, self._blocks.size[self._target]
        # A chunk of the smallest size may have been asked for with less; an mmapped one is rounded up to a page. Any
        # other is rounded up to the alignment, and what a free chunk has more than that goes with it where it is less
        # than a chunk (_int_malloc: remainder_size < MINSIZE).
        smallest = size <= np.uint64(layout.min_size)
        page = np.uint64(layout.page_size)
        mapped = size % page < np.uint64(2 * layout.header)
        return np.where(smallest, self.usable, np.where(mapped, page, np.uint64(layout.min_size)))

    def could_be(self, content: Words, extra: np.uint64) -> NDArray[np.bool_]:
        """Return where a request of content + extra bytes leads to just this chunk."""
        room = self.usable - np.minimum(extra, self.usable)
        fits: NDArray[np.bool_] = (content <= room) & (room - np.minimum(content, room) < self.slack)
        return fits


def _is_old_string(layout: Sizing, head: Words, sizes: _Sizes) -> NDArray[np.bool_]:
    """std::string before C++11: length, capacity and reference count lie before the characters (_Rep of
    basic_string.h)."""
    length, capacity = head[:, 0].astype(np.uint64), head[:, 1].astype(np.uint64)
    could_be = sizes.could_be(capacity, np.uint64(3 * layout.pointer_size + 1))
    old_string: NDArray[np.bool_] = (length <= capacity) & could_be
    return old_string


def _is_counted_array(count: Words, word: np.uint64, sizes: _Sizes) -> NDArray[np.bool_]:
    """new T[n] for a T with a destructor: n lies before the elements (the Itanium C++ ABI's array cookie)."""
    room = sizes.usable - word
    some = (count > 0) & (count <= room)
    divisor = np.where(some, count, np.uint64(1))
    array: NDArray[np.bool_] = some & sizes.could_be(room // divisor * divisor, word)
    return array


class _Vtables:
    """Tells vtables: words in a module's read-only data (or data yet to be made so) at which functions are named."""

    def __init__(self, process: Process) -> None:
        self._process = process
        held = [vma for vma in process.address_space if vma.is_file and vma.readable]
        self._start = np.array([vma.start for vma in held], np.uint64)
        self._end = np.array([vma.end for vma in held], np.uint64)
        vmas = process.address_space.vmas
        self._lowest, self._highest = (
            (np.uint64(vmas[0].start), np.uint64(vmas[-1].end)) if vmas else (np.uint64(0),) * 2
        )
        self._known: dict[int, bool] = {}

    def maybe(self, words: Words) -> NDArray[np.bool_]:
        """Return which words point into a mapped file."""
        if not len(self._start):
            return np.zeros(len(words), np.bool_)
        index = np.searchsorted(self._start, words, side="right") - 1
        inside: NDArray[np.bool_] = (index >= 0) & (words < self._end[index])
        return inside

    def at(self, places: Words) -> NDArray[np.bool_]:
        """Return at which of the places, words of blocks, a pointer to a vtable lies."""
        order = np.argsort(places, kind="stable")
        words = gather_words(self._process.memory, self._process.pointer_size, places[order])[:, 0]
        found = np.zeros(len(places), np.bool_)
        found[order] = self.among(words)
        return found

    def among(self, words: Words) -> NDArray[np.bool_]:
        """Return which of the words are pointers to vtables; each word is looked at once, however often it comes."""
        each, which = np.unique(words, return_inverse=True)
        # (An address that nothing is mapped at has no names, and most words are no address.)
        known = (each >= self._lowest) & (each < self._highest)
        known[known] = [self._is_vtable(address) for address in each[known].tolist()]
        found: NDArray[np.bool_] = known[which.reshape(-1)]
        return found

    def _is_vtable(self, address: int) -> bool:
        """Whether functions, and perhaps zeros before them (pure virtual ones), are named at the address."""
        if address not in self._known:
            self._known[address] = self._names_functions(address)
        return self._known[address]

    def _names_functions(self, address: int) -> bool:
        words, space = self._process.words, self._process.address_space
        if address % words.size or space.find(address) is None:
            return False
        for entry in range(_MOST_ENTRIES):
            try:
                function = words.read(address + entry * words.size)
            except MemoryFault:
                return False
            if function:
                vma = space.find(function)
                return vma is not None and vma.executable
        return False
