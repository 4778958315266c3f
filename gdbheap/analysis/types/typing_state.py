"""What is known of the blocks' types so far: the columns that the passes fill."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.pointers.adjacency import begins
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.behind import nothing_behind
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims
from gdbheap.analysis.types.embedded import Embedded
from gdbheap.analysis.types.inner import Inner, no_inner
from gdbheap.analysis.types.slots import Layouts
from gdbheap.analysis.types.tag import Pool, Tag
from gdbheap.analysis.types.variant_storages import variants_of
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import first_of_each
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.process import Process
from gdbheap.types.catalogue import Catalogue, TypeKind
from gdbheap.types.type_book import TypeBook
from gdbheap.types.typed_root import RootKind, TypedRoot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32] | NDArray[np.intp]

Found = TypeVar("Found")

# So many elements of a static array are known by their addresses.
_MOST_ELEMENTS = 256


@dataclass(frozen=True)
class TypeSources:
    """What types are known from: the process's memory, its debug information, its typed roots, `lookup`, which tells
    symbols' names and classes, and what tells the structs that a function's variables point to (None: nobody
    does). `own`: what is the allocator's, [start, end) in order and apart; pointers into its own variables are what
    freed blocks leave behind."""

    process: Process
    catalogue: Catalogue
    roots: tuple[TypedRoot, ...]
    lookup: Lookup | None
    types_in_function: Callable[[int], Sequence[int]] | None = None
    own: Sequence[tuple[int, int]] = ()


class TypingState:
    """The columns by block: as in BlockTypes, and `trust`, how sure it is that an object of `type` begins at `part`,
    whatever the block is as a whole (a base class, a struct's first member), and `whole`, that it is all that the
    block was made for. `begin`: the edges of block n are [begin[n], begin[n + 1]), `degree` of them. `room` is each
    block's usable bytes."""

    def __init__(
        self,
        sources: TypeSources,
        held: PointerGraph,
        book: TypeBook,
        layouts: Layouts,
    ) -> None:
        process = sources.process
        self.process = process
        self.held = held
        self.graph = held.graph
        self.book = book
        self.layouts = layouts
        self.embedded = Embedded(book)
        self.roots = sources.roots
        self.sources = sources
        self.lookup = sources.lookup
        # Classes, and the same with their virtual bases where they lie in whole objects (virtual_bases.py).
        self.completed: dict[int, int] = {}
        # Names of blocks that have no type in the debug information.
        self.names: dict[int, str] = {}
        count = len(held.blocks)
        self.highest = (1 << (8 * process.pointer_size)) - 1
        self.room = (held.blocks.end - held.blocks.start).astype(np.int64)
        self.type = np.full(count, -1, np.int32)
        self.count = np.zeros(count, np.int32)
        self.part = np.zeros(count, np.uint32)
        self.confidence = np.zeros(count, np.uint8)
        self.trust = np.zeros(count, np.uint8)
        self.whole = np.zeros(count, np.bool_)
        self.how = np.zeros(count, np.uint8)
        self.parent = np.full(count, -1, np.int32)
        self.parent_place = np.zeros(count, np.uint64)
        self.role = np.full(count, -1, np.int32)
        # What a pointer to a type at an offset in a block with so much room leads to: (type, confidence).
        self.learned: dict[tuple[int, int, int], tuple[int, int]] = {}
        # Which type follows a header, by a tag in it: {header: (tag, {value: type})}; and what that was learned from.
        self.tag_rules: dict[int, tuple[Tag, dict[int, int]]] = {}
        # How many words to a header told nothing, and how many rounds ago.
        self.in_vain: dict[int, tuple[int, int]] = {}
        self.pools: dict[tuple[int, int], Pool] = {}
        self.alternatives: dict[int, tuple[int, ...]] = {}
        # The structs that functions have variables of.
        self.in_function: dict[int, frozenset[int]] = {}
        # Blocks whose type the functions of what they hang on tell.
        self.told_by_functions = np.zeros(count, np.bool_)
        # Objects with vtables behind something else in their blocks.
        self.behind = nothing_behind()
        # Objects in blocks that are more than those; and the blocks that may hold some.
        self.inner = no_inner()
        self.loose = np.zeros(count, np.bool_)
        # What evidence.py has read last of few blocks.
        self.words_of_few: dict[tuple[bytes, int, int], NDArray[np.uint64]] = {}
        # What texts.py knows of the blocks' first letters.
        self.letters = np.zeros(count, np.uint8)
        # Blocks that go with none of the classes of their size that have containers in them.
        self.no_object = np.zeros(count, np.bool_)
        # Whether a type has containers in it that tell; and where the storages of std::variants lie in it.
        self.has_signs: dict[int, bool] = {}
        self.with_variants: dict[int, tuple[tuple[int, int], ...]] = {}
        # Nodes of lists and trees, by their links, of which nothing tells what they hold.
        self.undecided = np.zeros(count, np.bool_)
        # Grows with each change of a type; what was found last by them is good as long as it stands.
        self.changes = 0
        self._remembered: tuple[str, int, Inner, object] = ("", 0, self.inner, None)
        self.begin = begins(self.graph.source, count)
        self.degree = np.diff(self.begin)

    def __len__(self) -> int:
        return len(self.type)

    @functools.cached_property
    def mapped(self) -> Ranges:
        """All memory that is mapped."""
        return Ranges([(vma.start, vma.end) for vma in self.process.address_space])

    @functools.cached_property
    def code(self) -> Ranges:
        """All memory that can be executed."""
        return Ranges([(vma.start, vma.end) for vma in self.process.address_space if vma.executable])

    @functools.cached_property
    def modules(self) -> Ranges:
        """All memory that files are mapped for: code and modules' data."""
        return Ranges([(vma.start, vma.end) for vma in self.process.address_space if vma.is_file])

    @functools.cached_property
    def static_words(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
        """(block, offset in it, word) of each aligned word of a block that points into a file's mapping, but for the
        allocator's variables."""
        blocks, static = self.held.blocks, self.graph.static
        if static is None or not len(static.word):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64)
        block, word = blocks.starts.before(static.place).astype(np.int64, copy=False), static.word
        place = (static.place - blocks.start[block]).astype(np.int64)
        inside = (block >= 0) & (static.place < blocks.end[block]) & ~Ranges(self.sources.own).hold(word)
        if inside.all():
            return block, place, word
        return block[inside], place[inside], word[inside]

    @functools.cached_property
    def variable_sizes(self) -> dict[int, int]:
        """How many bytes the static variables at these addresses have that are structs, or elements of arrays of
        such."""
        found: dict[int, int] = {}
        for root in self.roots:
            if root.kind is not RootKind.STATIC:
                continue
            info, count = self.book.info(self.book.stripped(root.type)), 1
            if info.kind is TypeKind.ARRAY and info.count > 0:
                info, count = self.book.info(self.book.stripped(info.target)), min(info.count, _MOST_ELEMENTS)
            if info.kind is TypeKind.STRUCT:
                found.update((root.address + index * info.size, info.size) for index in range(count))
        return found

    @functools.cached_property
    def variants(self) -> dict[int, list[int]]:
        """For each type the storages of std::variants that may hold it."""
        return variants_of(self.book)

    @functools.cached_property
    def pointing(self) -> NDArray[np.bool_]:
        """Which blocks hold pointers to the starts of others."""
        found = np.zeros(len(self), np.bool_)
        graph = self.graph
        found[graph.source[(graph.offset == 0) & (graph.source != graph.target)]] = True
        return found

    def starting_at(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the block that begins at each of these addresses, -1 where none does."""
        start = self.held.blocks.start
        block = self.held.blocks.starts.before(words).astype(np.int64)
        return np.where(start[block] == words, block, -1)

    def remembered(self, name: str, find: Callable[[], Found]) -> Found:
        """Return what `find` gives, found once as long as no type changes and nothing else is asked for."""
        known, changes, inner, found = self._remembered
        if known != name or changes != self.changes or inner is not self.inner:
            found = find()
            self._remembered = name, self.changes, self.inner, found
        return cast("Found", found)

    def take(self, claims: Claims) -> NDArray[np.int32]:
        """Believe the claims of blocks whose type is not known yet, of several of one block the first; return these
        blocks."""
        unknown = np.flatnonzero(self.type[claims.block] < 0)
        first = np.zeros(len(unknown), np.bool_)
        first[first_of_each(claims.block[unknown], len(self))] = True
        claims = claims.at(unknown[first])
        block = claims.block
        self.changes += len(block) > 0
        self.type[block], self.count[block], self.part[block] = claims.type, claims.count, claims.part
        self.confidence[block], self.trust[block], self.how[block] = claims.confidence, claims.confidence, claims.how
        self.parent[block], self.parent_place[block] = claims.parent, claims.parent_place
        self.whole[block] = claims.whole
        self.loose[block] = (claims.part > 0) | ~claims.whole
        return block

    def well_named(self) -> NDArray[np.bool_]:
        """Return which blocks are one object whose type others tell: what is only like it may go by that."""
        guessed = np.isin(self.how, (How.POINTS_TO, How.SAME_CALL, How.SIBLING_ROLE, How.APPENDED, How.CALLBACK))
        found: NDArray[np.bool_] = (self.type >= 0) & self.whole & (self.count == 0) & ~guessed
        found &= self.confidence > Confidence.POSSIBLE
        return found

    def forget(self, blocks: Blocks) -> None:
        """Take back what was believed of these blocks."""
        self.changes += 1
        self.type[blocks] = -1
        for column in (
            self.count,
            self.part,
            self.confidence,
            self.trust,
            self.whole,
            self.loose,
            self.how,
            self.parent_place,
        ):
            column[blocks] = 0
        self.parent[blocks] = -1

    def edges_of(self, blocks: Blocks, most: int | None = None) -> NDArray[np.int64]:
        """Return the numbers of the edges of these blocks, the first `most` of each (None: all), block by block."""
        begin, count = self.begin[blocks], self.degree[blocks]
        if most is not None:
            count = np.minimum(count, most)
        before = np.cumsum(count) - count
        edges: NDArray[np.int64] = np.repeat(begin - before, count) + np.arange(int(count.sum()), dtype=np.int64)
        return edges


def known_of(state: TypingState, blocks: NDArray[np.int32]) -> int:
    """Return a number that differs, but for a rare accident, where other blocks are asked about, or something else is
    known of the types of what they lead to."""
    return hash((blocks.tobytes(), state.type[state.graph.target[state.edges_of(blocks)]].tobytes()))
