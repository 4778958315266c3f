"""What every block is called, with as many alike as there are: its type, a label, the part it plays; else what its
first words look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.objects.contents import is_class
from gdbheap.lazy import dataclass, np
from gdbheap.session.block_types import block_types
from gdbheap.session.object_names import lookup
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target
from gdbheap.types.short_names import short_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.objects.contents import Contents
    from gdbheap.analysis.types.block_types import BlockTypes

# What the C++ library makes to hold what a program has.
_LIBRARY = ("std::", "__gnu_cxx::", "what ", "char")
# Objects that shared_ptr owns have their type in the name.
_SHARED = "std::_Sp_counted_ptr"

_KINDS: Key[BlockKinds] = Key("block kinds")


@dataclass(frozen=True)
class BlockKinds:
    """`code` has a number for each block, the same for those called alike."""

    code: NDArray[np.int64]
    types: BlockTypes
    contents: Contents
    # The place of each block in `contents`, -1 for those that have a type or the like.
    place: NDArray[np.int32]

    def name(self, block: int) -> str:
        """Return what the block is called: "Session", "dictEntry *[]", "what dictEntry.key points to", "text",
        "[block pointer, number]"."""
        from gdbheap.analysis.types.by_type import kind_of  # kept out of gdb's start

        place = int(self.place[block])
        if place >= 0:
            return self.contents.names[int(self.contents.kind[place])]
        kind = kind_of(self.types, block)
        return short_name(kind.name) if kind.name else f"what {short_name(kind.role)} points to"

    def is_named(self, block: int) -> bool:
        """Whether it has a name: of a type, a class, a label; and not only the look of its words."""
        place = int(self.place[block])
        return place < 0 or is_class(self.contents.names[int(self.contents.kind[place])])

    def is_own(self, block: int) -> bool:
        """Whether its name is one of the program's, not the C++ library's."""
        name = self.name(block)
        return self.is_named(block) and (not name.startswith(_LIBRARY) or name.startswith(_SHARED))


def block_kinds(target: Target) -> BlockKinds:
    """Return the kinds of this stop's blocks."""
    return target.keep(_KINDS, lambda _: _find(target), "counting the blocks of each kind")


def _find(target: Target) -> BlockKinds:
    from gdbheap.analysis.objects.contents import describe  # kept out of gdb's start
    from gdbheap.analysis.types.by_type import kind_codes

    held, types = pointer_graph(target), block_types(target)
    code = kind_codes(types)
    # A variable's name for what it points to is one of its holder: it does not say what the block is.
    by_variable = np.array([bool(role.name) for role in types.roles] + [False], np.bool_)[types.role]
    unknown = np.flatnonzero((code < 0) | (by_variable & (types.type < 0) & (types.label < 0)))
    contents = describe(held.blocks, held.graph.head, unknown, lookup(target))
    code[unknown] = int(code.max(initial=-1)) + 1 + contents.kind.astype(np.int64)
    place = np.full(len(code), -1, np.int32)
    place[unknown] = np.arange(len(unknown), dtype=np.int32)
    return BlockKinds(code, types, contents, place)
