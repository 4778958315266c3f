"""How the words of libstdc++'s containers and nodes go with each other, for blocks that may hold some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.containers import ContainerKind, container_kind, containers_in, own_place
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.libstdcxx import NodeKind, node_kind, value_of
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.variant_storages import held_in, variant_in
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Scores = NDArray[np.int32]
    Mask = NDArray[np.bool_]

# What no accident makes, what may be one, and what says nothing; -1 is against it.
_STRONG, _WEAK = 3, 1
_MOST_ENTRIES = 1 << 32
# The upper bits of a hash, some of which are set.
_HASH_BITS = 24
# So many containers of a vector's element are looked at, and vectors in vectors so deep.
_MOST_IN_ELEMENT, _DEEPEST = 4, 2


class Signs:
    """Looks at words at any addresses."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._size = state.layouts.pointer_size
        self._mask = np.uint64((1 << 8 * self._size) - 1)
        self._depth = 0

    def of_container(self, number: int, address: Words) -> Scores:
        """Return what speaks for a container of this type at each address; -1: it is none."""
        size = self._state.book.info(number).size
        kind = container_kind(self._state.book, number)
        if kind is None:
            return np.zeros(len(address), np.int32)
        place = own_place(self._state.book, number, kind)
        address = address + np.uint64(place)
        words = self._read(address, max((size - place) // self._size, 1))
        if kind is ContainerKind.STRING:
            return self._string(address, words)
        if kind is ContainerKind.VECTOR:
            return self._vector(number, words)
        if kind is ContainerKind.LIST:
            return self._ring(address, words, 0)
        if kind is ContainerKind.TREE:
            return self._tree(address, words)
        if kind is ContainerKind.HASH_TABLE:
            return self._hash_table(address, words)
        return self._deque(words)

    def of_variants(self, number: int, address: Words) -> Scores:
        """Return what speaks for objects of this type at the addresses by what the std::variants in them hold: as their
        indices say; -1 where an index says nothing, or not what is there."""
        book = self._state.book
        total = np.zeros(len(address), np.int32)
        wrong = np.zeros(len(address), np.bool_)
        for offset, storage in self._variants(number):
            variant = variant_in(book, storage)
            if variant is None:
                continue
            start = address + np.uint64(offset)
            index = self._numbers(start + np.uint64(variant.index), variant.width)
            wrong |= (index >= np.uint64(len(variant.arms))) & (index != np.uint64((1 << (8 * variant.width)) - 1))
            for arm, held in enumerate(variant.arms):
                here = np.flatnonzero(index == np.uint64(arm))
                for inner in held_in(book, held) if len(here) else ():
                    for place, container in containers_in(book, inner)[:_MOST_IN_ELEMENT]:
                        said = self.of_container(container, start[here] + np.uint64(variant.union + place))
                        wrong[here] |= said < 0
                        # (That an index, other than 0, goes with what is there is no accident either.)
                        total[here] += said + np.where((said > 0) & (arm > 0), _STRONG, 0)
        found: Scores = np.where(wrong, np.int32(-1), total).astype(np.int32)
        return found

    def _variants(self, number: int) -> tuple[tuple[int, int], ...]:
        """Return (offset, type) of the storages of std::variants in every object of a type."""
        known = self._state.with_variants
        if number not in known:
            known[number] = containers_in(self._state.book, number, _is_variant)[:_MOST_IN_ELEMENT]
        return known[number]

    def has_variants(self, number: int) -> bool:
        """Whether objects of the type have std::variants in them."""
        return bool(self._variants(number))

    def _numbers(self, address: Words, width: int) -> Words:
        """Return the number of so many bytes at each address."""
        size = np.uint64(self._size)
        words: Words = self._read(address - address % size, 1)[:, 0] >> (address % size * np.uint64(8))
        return words & np.uint64((1 << (8 * width)) - 1) if width < self._size else words

    def of_node(self, number: int, blocks: NDArray[np.int32]) -> Scores:
        """Return what speaks for it that blocks are nodes of this type; -1: they are none."""
        address = self._state.held.blocks.start[blocks]
        kind = node_kind(self._state.book, number)
        if kind is NodeKind.LIST:
            return self._ring(address, self._read(address, 2), -1)
        if kind is NodeKind.TREE:
            return self._tree_node(address)
        following = self._read(address, 1)[:, 0]
        same = self._rooms_at(following) == self._state.room[blocks]
        said: Scores = np.where(following == 0, 0, np.where(same, _WEAK, -1)).astype(np.int32)
        judged: Scores = np.where(self._is_no_hash(number, address), np.int32(-1), said)
        return judged

    def _is_no_hash(self, number: int, address: Words) -> Mask:
        """Return in which nodes, whose keys are strings, what should be the key's hash is a small number: one hash
        in 16 million is so small."""
        info = self._state.book.info(number)
        inner, part = value_of(self._state.book, number)
        keys = containers_in(self._state.book, inner)[:1] if inner != NONE else ()
        is_string = [container_kind(self._state.book, key) is ContainerKind.STRING for place, key in keys if not place]
        if part != self._size or not info.name.endswith("true>") or is_string != [True]:
            return np.zeros(len(address), np.bool_)
        code = self._read(address + np.uint64(info.size - self._size), 1)[:, 0]
        small: Mask = code < np.uint64(1 << (8 * self._size - _HASH_BITS))
        return small

    def _string(self, address: Words, words: Words) -> Scores:
        """It points to its own buffer, or to a block with room for its capacity and a zero, and ends with a zero."""
        text, length, capacity = words[:, 0], words[:, 1], words[:, 2]
        own = text == address + np.uint64(2 * self._size)
        short = own & (length < np.uint64(16))
        room = self._rooms_at(text)
        wanted = np.minimum(capacity, np.uint64(1 << 40)).astype(np.int64) + 1
        long = ~own & (length <= capacity) & (room > 0) & fits(room, wanted, self._state.layouts.overhead)
        end = text + np.minimum(length, np.uint64(1 << 40))
        ended = self._octets(np.where(short | long, end, np.uint64(0))) == 0
        return np.where((short | long) & ended, _STRONG, -1).astype(np.int32)

    def _vector(self, number: int, words: Words) -> Scores:
        begin, finish, end = (words[:, each] for each in range(3))
        arguments = self._state.book.info(number).arguments
        element = np.uint64(max(self._state.book.size(arguments[0]) if arguments else 1, 1))
        empty = (begin == 0) & (finish == 0) & (end == 0)
        ordered = (begin <= finish) & (finish <= end) & (begin < end)
        whole = ((end - begin) % element == 0) & ((finish - begin) % element == 0)
        length = np.minimum(end - begin, np.uint64(1 << 40)).astype(np.int64)
        fitting = fits(self._rooms_at(begin), length, self._state.layouts.overhead)
        good = ordered & whole & fitting
        used = np.flatnonzero(good & (begin < finish))
        good[used] = ~self._wrong_element(arguments[0] if arguments else NONE, begin[used])
        said: Scores = np.where(empty, 0, np.where(good, _STRONG, -1)).astype(np.int32)
        return said

    def _wrong_element(self, number: int, address: Words) -> Mask:
        """Return at which of these addresses, where blocks begin, lies no element of this type: something else is where
        it has a pointer, or a container."""
        wrong = np.zeros(len(address), np.bool_)
        if number == NONE or self._depth == _DEEPEST:
            return wrong
        block, which = np.unique(self._state.starting_at(address).astype(np.int32), return_inverse=True)
        wrong |= evidence(self._state, number, block)[1][which.reshape(-1)] > 0
        self._depth += 1
        for offset, container in containers_in(self._state.book, number)[:_MOST_IN_ELEMENT]:
            wrong |= self.of_container(container, address + np.uint64(offset)) < 0
        self._depth -= 1
        return wrong

    def _ring(self, address: Words, words: Words, place: int) -> Scores:
        """What is next points back, and what is before points here. A list's own node has the number of nodes."""
        following, before = words[:, 0], words[:, 1]
        back = self._read(np.where(following > 0, following, np.uint64(0)), 2)[:, 1] == address
        forth = self._read(np.where(before > 0, before, np.uint64(0)), 1)[:, 0] == address
        good = back & forth & (following != 0)
        if place >= 0:
            good &= (words[:, 2] < np.uint64(_MOST_ENTRIES)) & ((words[:, 2] == 0) == (following == address))
        return np.where(good, _STRONG, -1).astype(np.int32)

    def _tree(self, address: Words, words: Words) -> Scores:
        """Its root's parent is its header, or there is none and the header leads to itself."""
        last = words.shape[1] - 1
        header = address + np.uint64((last - 4) * self._size)
        root, left, right, count = (words[:, last - each] for each in (3, 2, 1, 0))
        empty = (root == 0) & (left == header) & (right == header) & (count == 0)
        full = (root != 0) & (count > 0) & (self._read(root, 2)[:, 1] == header)
        return np.where(empty | full, _STRONG, -1).astype(np.int32)

    def _tree_node(self, address: Words) -> Scores:
        """Red or black; each child's parent is this one, and this is a child of its parent, or its root."""
        words = self._read(address, 4)
        colour, parent, left, right = (words[:, each] for each in range(4))
        good = (colour & np.uint64(0xFFFF_FFFF)) <= 1
        for child in (left, right):
            good &= (child == 0) | (self._read(child, 2)[:, 1] == address)
        above = self._read(parent, 4)
        good &= (parent != 0) & (above[:, 1:] == address[:, None]).any(axis=1)
        return np.where(good, _STRONG, -1).astype(np.int32)

    def _hash_table(self, address: Words, words: Words) -> Scores:
        """Its buckets are its own one, or a block with room for just so many."""
        first = words.shape[1] - 7
        buckets, count, entries = words[:, first], words[:, first + 1], words[:, first + 3]
        own = (buckets == address + np.uint64((first + 6) * self._size)) & (count == 1)
        length = np.minimum(count, np.uint64(1 << 32)).astype(np.int64) * self._size
        block = fits(self._rooms_at(buckets), length, self._state.layouts.overhead) & (count > 1)
        good = (own | block) & (entries < np.uint64(_MOST_ENTRIES))
        return np.where(good, _STRONG, -1).astype(np.int32)

    def _deque(self, words: Words) -> Scores:
        """Its map has room for just so many buffers, and both its ends lie in the buffers that the map says."""
        length = np.minimum(words[:, 1], np.uint64(1 << 32)).astype(np.int64) * self._size
        good = (length > 0) & fits(self._rooms_at(words[:, 0]), length, self._state.layouts.overhead)
        for at in (2, 6):
            current, first, last, node = (words[:, at + each] for each in range(4))
            good &= (
                (first <= current)
                & (current < last)
                & (self._read(np.where(good, node, np.uint64(0)), 1)[:, 0] == first)
            )
            good &= (node >= words[:, 0]) & (node < words[:, 0] + length.astype(np.uint64))
        return np.where(good, _STRONG, -1).astype(np.int32)

    def _rooms_at(self, address: Words) -> NDArray[np.int64]:
        """Return the room of the block that begins at each address, 0 where none does."""
        block = self._state.starting_at(address)
        rooms: NDArray[np.int64] = np.where(block >= 0, self._state.room[block], 0)
        return rooms

    def _read(self, address: Words, count: int) -> Words:
        """Return the words at these addresses, in any order; zeros where there are none."""
        values, which = np.unique(address, return_inverse=True)
        words: Words = gather_words(self._state.process.memory, self._size, values, count)[which.reshape(-1)]
        return words

    def _octets(self, address: Words) -> Words:
        """Return the byte at each address."""
        size = np.uint64(self._size)
        words = self._read(address - address % size, 1)[:, 0]
        octets: Words = words >> (address % size * np.uint64(8)) & np.uint64(0xFF)
        return octets


def _is_variant(book: TypeBook, number: int) -> ContainerKind | None:
    """Return a kind, any, for a std::variant's storage, and None for all else."""
    return ContainerKind.STRING if variant_in(book, number) is not None else None
