"""How full the containers in the heap are, by type: entries, capacity, and the room that is not used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import BlockTypes, Confidence
from gdbheap.analysis.types.containers import ContainerKind, Containers, Objects, find_containers
from gdbheap.analysis.types.libcxx_containers import find_libcxx, libcxx_sizes
from gdbheap.lazy import dataclass, np
from gdbheap.process.memory import Memory
from gdbheap.types.catalogue import NONE
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

# What says that it has more entries is none of the library's containers.
_MOST = 1 << 40
# A deque's nodes have as many elements as fit in here, or one.
_DEQUE_NODE = 512


@dataclass(frozen=True)
class ContainerUse:
    """The containers of one `type` (a catalogue's number): `count` of them, with `entries` in all and room for
    `capacity` (None: they have no room in advance), of which `wasted` bytes are not used; the address of the `fullest`
    and its entries."""

    type: int
    kind: ContainerKind
    count: int
    entries: int
    capacity: int | None
    wasted: int
    fullest: int
    most: int


def container_use(memory: Memory, types: BlockTypes) -> list[ContainerUse]:
    """Return the containers in typed blocks and variables by type, the most wasteful first, then the fullest."""
    book = TypeBook(types.catalogue)
    sure = np.where(types.confidence >= Confidence.LIKELY, types.type, np.int32(NONE))
    objects = Objects(types.start, sure, types.part, types.count)
    uses = [
        use for each in find_containers(memory, book, objects, types.roots) for use in _use(each, _sizes(book, each))
    ]
    uses += [
        use for each in find_libcxx(memory, book, objects, types.roots) for use in _use(each, libcxx_sizes(book, each))
    ]
    return sorted(uses, key=lambda use: (-use.wasted, -use.entries, use.type))


def _use(found: Containers, sizes: tuple[Counts, Counts | None, int]) -> Iterator[ContainerUse]:
    entries, capacity, unit = sizes
    sound = (entries >= 0) & (entries < _MOST)
    if capacity is not None:
        sound &= (capacity >= entries) & (capacity < _MOST)
        capacity = capacity[sound]
    entries, address = entries[sound], found.address[sound]
    if not len(entries):
        return
    wasted = 0 if capacity is None else int((capacity - entries).sum()) * unit
    fullest = int(entries.argmax())
    room = None if capacity is None else int(capacity.sum())
    yield ContainerUse(
        found.type,
        found.kind,
        len(entries),
        int(entries.sum()),
        room,
        wasted,
        int(address[fullest]),
        int(entries[fullest]),
    )


def _sizes(book: TypeBook, found: Containers) -> tuple[Counts, Counts | None, int]:
    """Return the entries of each container, its capacity, and the bytes that each unused place takes."""
    size, words = book.pointer_size, found.words.astype(np.int64)
    arguments = book.info(found.type).arguments
    element = max(book.size(arguments[0]) if arguments else 0, 1)
    if found.kind is ContainerKind.STRING:
        # Of what fits into the object itself nothing is wasted that a shorter text would spare.
        own = words[:, 0] == found.first.astype(np.int64) + 2 * size
        return words[:, 1], np.where(own, words[:, 1], words[:, 2]), element
    if found.kind is ContainerKind.VECTOR:
        return (words[:, 1] - words[:, 0]) // element, (words[:, 2] - words[:, 0]) // element, element
    if found.kind is ContainerKind.LIST:
        return words[:, 2], None, 0
    if found.kind is ContainerKind.TREE:
        return words[:, words.shape[1] - 1], None, 0
    if found.kind is ContainerKind.HASH_TABLE:
        first = book.info(found.type).size // size - 7
        entries, buckets = words[:, first + 3], words[:, first + 1]
        # A bucket costs a word; a full table has more entries than buckets.
        return entries, np.maximum(buckets, entries), size
    return _deque(words, element, size), None, 0


def _deque(words: Counts, element: int, size: int) -> Counts:
    """The map and its size; then two iterators: current, first and last of a node, and the node's place in the map."""
    in_node = max(_DEQUE_NODE // element, 1)
    nodes = (words[:, 9] - words[:, 5]) // size
    entries: Counts = (nodes - 1) * in_node + (words[:, 6] - words[:, 7]) // element
    return np.asarray(entries + (words[:, 4] - words[:, 2]) // element)
