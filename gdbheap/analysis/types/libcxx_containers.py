"""The containers of libc++ that lie in typed blocks and variables, and how much each holds and has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.containers import ContainerKind, Containers, Objects, container_places
from gdbheap.analysis.types.libstdcxx import instance_of
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.memory import Memory
from gdbheap.types.type_book import TypeBook
from gdbheap.types.typed_root import TypedRoot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

_SCOPE = "std::__1::"
_TEMPLATES = (
    ("basic_string<", ContainerKind.STRING),
    ("vector<", ContainerKind.VECTOR),
    ("list<", ContainerKind.LIST),
    ("map<", ContainerKind.TREE),
    ("multimap<", ContainerKind.TREE),
    ("set<", ContainerKind.TREE),
    ("multiset<", ContainerKind.TREE),
    ("unordered_map<", ContainerKind.HASH_TABLE),
    ("unordered_multimap<", ContainerKind.HASH_TABLE),
    ("unordered_set<", ContainerKind.HASH_TABLE),
    ("unordered_multiset<", ContainerKind.HASH_TABLE),
    ("deque<", ContainerKind.DEQUE),
)
# A container is so many words; a larger one has an allocator, a comparison or a hash that takes room, and is left out.
_WORDS = {
    ContainerKind.STRING: 3,
    ContainerKind.VECTOR: 3,
    ContainerKind.LIST: 3,
    ContainerKind.TREE: 3,
    ContainerKind.HASH_TABLE: 5,
    ContainerKind.DEQUE: 6,
}
# The first bit of a string's first byte says that the text lies elsewhere; else the others are its length.
_LONG = 1


def libcxx_kind(book: TypeBook, number: int) -> ContainerKind | None:
    """Return which kind of container a type is, None for none, and one that is laid out in another way."""
    info = book.info(number)
    if not info.name.startswith(_SCOPE) or info.name.startswith(f"{_SCOPE}vector<bool"):
        return None
    for template, kind in _TEMPLATES:
        if instance_of(info.name, _SCOPE + template):
            return kind if info.size == _WORDS[kind] * book.pointer_size else None
    return None


def find_libcxx(memory: Memory, book: TypeBook, objects: Objects, roots: Sequence[TypedRoot]) -> Iterator[Containers]:
    """Yield the containers in the blocks and in the variables, by type."""
    for container, address in container_places(book, objects, roots, libcxx_kind).items():
        kind = libcxx_kind(book, container)
        if kind is not None:
            words = gather_words(memory, book.pointer_size, address, _WORDS[kind])
            yield Containers(container, kind, address, address, words)


def libcxx_sizes(book: TypeBook, found: Containers) -> tuple[Counts, Counts | None, int]:
    """Return the entries of each container, its capacity, and the bytes that each unused place takes."""
    words, size = found.words.astype(np.int64), book.pointer_size
    arguments = book.info(found.type).arguments
    element = max(book.size(arguments[0]) if arguments else 0, 1)
    if found.kind is ContainerKind.STRING:
        is_long = (words[:, 0] & _LONG) > 0
        length = np.where(is_long, words[:, 1], (words[:, 0] & 0xFF) >> 1)
        # (The capacity counts the zero at the end.)
        return length, np.where(is_long, (words[:, 0] & ~_LONG) - 1, length), element
    if found.kind is ContainerKind.VECTOR:
        return (words[:, 1] - words[:, 0]) // element, (words[:, 2] - words[:, 0]) // element, element
    if found.kind is ContainerKind.HASH_TABLE:
        return words[:, 3], np.maximum(words[:, 1], words[:, 3]), size
    return words[:, words.shape[1] - 1], None, 0
