"""The containers of libstdc++ that lie in typed blocks and variables: where each is, how much it holds, and how much it
has room for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.libstdcxx import OWN_TEXT, instance_of
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.memory import Memory
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook
from gdbheap.types.typed_root import TypedRoot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

# Structs in structs so deep, arrays so long, and so many containers in one type are gone through.
_DEEPEST = 16
_MOST_ELEMENTS = 64
_MOST_IN_TYPE = 256
# So many containers of one type at one place in its holders are looked at.
_MOST_BLOCKS = 1 << 20


class ContainerKind(enum.IntEnum):
    """What a container keeps; the label is published."""

    STRING = 0
    VECTOR = 1
    LIST = 2
    TREE = 3
    HASH_TABLE = 4
    DEQUE = 5


# The words of a container that are read.
_WORDS = {
    ContainerKind.STRING: 3,
    ContainerKind.VECTOR: 3,
    ContainerKind.LIST: 3,
    ContainerKind.TREE: 16,
    ContainerKind.HASH_TABLE: 16,
    ContainerKind.DEQUE: 10,
}
_TEMPLATES = (
    ("std::__cxx11::basic_string<", ContainerKind.STRING),
    ("std::vector<", ContainerKind.VECTOR),
    ("std::__cxx11::list<", ContainerKind.LIST),
    ("std::map<", ContainerKind.TREE),
    ("std::multimap<", ContainerKind.TREE),
    ("std::set<", ContainerKind.TREE),
    ("std::multiset<", ContainerKind.TREE),
    ("std::unordered_map<", ContainerKind.HASH_TABLE),
    ("std::unordered_multimap<", ContainerKind.HASH_TABLE),
    ("std::unordered_set<", ContainerKind.HASH_TABLE),
    ("std::unordered_multiset<", ContainerKind.HASH_TABLE),
    ("std::deque<", ContainerKind.DEQUE),
)


@dataclass(frozen=True)
class Containers:
    """Containers of one `type` and kind: their addresses, in order, and the `words` of each from `first` on: what is
    in front of that is an allocator's."""

    type: int
    kind: ContainerKind
    address: Words
    first: Words
    words: Words


def container_kind(book: TypeBook, number: int) -> ContainerKind | None:
    """Return which kind of container a type is, None for none."""
    name = book.info(number).name
    if not name.startswith("std::") or name.startswith("std::vector<bool"):
        return None
    return next((kind for template, kind in _TEMPLATES if instance_of(name, template)), None)


KindOf = Callable[[TypeBook, int], "ContainerKind | None"]
"""Tells which kind of container a type is."""


def containers_in(book: TypeBook, number: int, kind_of: KindOf = container_kind) -> tuple[tuple[int, int], ...]:
    """Return (offset, type) of the containers that every object of a type has in it, itself if it is one."""
    return tuple(_inside(book, number, (0, 0), kind_of))[:_MOST_IN_TYPE]


def _inside(book: TypeBook, number: int, where: tuple[int, int], kind_of: KindOf) -> Iterator[tuple[int, int]]:
    offset, depth = where
    number = book.stripped(number)
    if number == NONE or depth > _DEEPEST:
        return
    info = book.info(number)
    if info.kind is TypeKind.ARRAY:
        size = book.size(info.target)
        for index in range(min(max(info.count, 0), _MOST_ELEMENTS) if size else 0):
            yield from _inside(book, info.target, (offset + index * size, depth + 1), kind_of)
    elif info.kind is TypeKind.STRUCT:
        if kind_of(book, number) is not None:
            yield offset, number
            return
        for member in info.members:
            if member.kind in (MemberKind.FIELD, MemberKind.BASE):
                yield from _inside(book, member.type, (offset + member.offset, depth + 1), kind_of)


@dataclass(frozen=True)
class Objects:
    """What begins in blocks: columns as in BlockTypes."""

    start: Words
    type: NDArray[np.int32]
    part: NDArray[np.uint32]
    count: NDArray[np.int32]


def find_containers(
    memory: Memory,
    book: TypeBook,
    objects: Objects,
    roots: Sequence[TypedRoot],
    kinds: frozenset[ContainerKind] = frozenset(ContainerKind),
) -> Iterator[Containers]:
    """Yield the containers of these kinds in the blocks and in the variables, by type.
    Whoever calls decides which blocks' types are sure enough."""
    for container, address in container_places(book, objects, roots).items():
        kind = container_kind(book, container)
        if kind is None or kind not in kinds:
            continue
        first = address + np.uint64(own_place(book, container, kind))
        words = gather_words(memory, book.pointer_size, first, min(_WORDS[kind], _words_of(book, container)))
        yield Containers(container, kind, address, first, words)


def container_places(
    book: TypeBook, objects: Objects, roots: Sequence[TypedRoot], kind_of: KindOf = container_kind
) -> dict[int, Words]:
    """Return where the containers of each type lie in the blocks and in the variables, in order of address."""
    found: dict[int, list[Words]] = {}
    for number in distinct(objects.type[objects.type >= 0]).tolist():
        inside = containers_in(book, number, kind_of)
        if inside:
            first = _elements(book, number, objects)
            for offset, container in inside:
                found.setdefault(container, []).append(first + np.uint64(offset))
    for root in roots:
        if root.word is None:
            for offset, container in containers_in(book, root.type, kind_of):
                found.setdefault(container, []).append(np.array([root.address + offset], np.uint64))
    places = {}
    for container, addresses in found.items():
        address = np.sort(np.concatenate(addresses))
        places[container] = address[np.flatnonzero(np.diff(address, prepend=np.uint64(0)))]
    return places


def own_place(book: TypeBook, number: int, kind: ContainerKind) -> int:
    """Return where in a container its own words begin, behind an allocator that takes room. (What compares or hashes
    comes first in trees and hash tables: they are read whole.)"""
    size = book.pointer_size
    own = {
        ContainerKind.STRING: 2 * size + OWN_TEXT,
        ContainerKind.VECTOR: 3 * size,
        ContainerKind.LIST: 3 * size,
        ContainerKind.DEQUE: 10 * size,
    }.get(kind)
    return max(book.info(number).size - own, 0) if own is not None else 0


def _words_of(book: TypeBook, number: int) -> int:
    return max(book.info(number).size // book.pointer_size, 1)


def _elements(book: TypeBook, number: int, objects: Objects) -> Words:
    """Return the addresses of all objects of the type that blocks are, or are arrays of."""
    blocks = np.flatnonzero(objects.type == number)[:_MOST_BLOCKS]
    times = np.maximum(objects.count[blocks], 1).astype(np.int64)
    while int(times.sum()) > _MOST_BLOCKS:
        blocks, times = blocks[: len(blocks) // 2], times[: len(times) // 2]
    index = np.arange(int(times.sum()), dtype=np.int64) - np.repeat(np.cumsum(times) - times, times)
    first = np.repeat(objects.start[blocks] + objects.part[blocks].astype(np.uint64), times)
    addresses: Words = first + index.astype(np.uint64) * np.uint64(book.size(number))
    return addresses
