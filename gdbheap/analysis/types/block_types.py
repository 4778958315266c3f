"""What is known of the type of every block: the engine's answer, for commands to show and for leaks to rely on."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.types.inner import Inner, no_inner
from gdbheap.analysis.types.union_words import UnionWords, no_union_words
from gdbheap.lazy import dataclass, np
from gdbheap.types.catalogue import NONE, Catalogue
from gdbheap.types.confidence import Confidence as Confidence
from gdbheap.types.type_names import Telling, member_name, member_path, size_of, type_name
from gdbheap.types.typed_root import TypedRoot

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So long a chain is told; whoever prints one folds its repetitions.
_LONGEST_CHAIN = 1 << 16


class How(enum.IntEnum):
    """How a block's type is known."""

    UNKNOWN = 0
    VARIABLE = 1
    """A variable points to it."""
    MEMBER = 2
    """A pointer member of a typed block, or of a variable that is a struct, points to it."""
    PART = 3
    """Such a pointer leads to a part of it: a base class, a first member, a list head."""
    ARRAY = 4
    """Such a pointer leads to it, and it has room for several."""
    VTABLE = 5
    CONTAINER = 6
    """It belongs to a container of the C++ library, whose template arguments tell."""
    SIBLING_ROLE = 7
    """The same void * member of other blocks leads to blocks of this type."""
    POINTS_TO = 8
    """It points where this type's members point, and has its size."""
    SAME_CALL = 9
    """Blocks of the same size and shape, with the same targets, have this type."""
    CONTENTS = 10
    """Its bytes tell."""
    APPENDED = 11
    """One of its pointers leads right behind where the type ends: to data made along with it."""
    CALLBACK = 12
    """A function beside the pointer to it has a variable of the type."""
    INSIDE = 13
    """A pointer leads to such an object in it, behind something else."""

    @property
    def label(self) -> str:
        """The name in JSON: "variable", ..."""
        return self.name.lower()


@dataclass(frozen=True)
class Role:
    """What is known of a block by who points to it: the member at `offset` of `type` (a variable's type where a
    variable does: then `name` is the variable's). `wanted` is the block's own type where a union does."""

    type: int
    offset: int
    name: str = ""
    wanted: int = NONE

    def text(self, catalogue: Catalogue) -> str:
        """Return what people call it: "dictEntry.key", "server.clients[]": the elements of an array are one."""
        telling = Telling(indices=False, wanted=self.wanted)
        if self.name:
            return self.name + member_path(catalogue, self.type, self.offset, telling)
        return member_name(catalogue, self.type, self.offset, telling)


@dataclass(frozen=True)
class TypeStep:
    """A word on the way from a root to a block: its address, the block it lies in (-1: in none, but in a variable),
    the variable or member it is ("server.sessions", "dictEntry.next"), and the block it leads to."""

    place: int
    holder: int
    member: str
    target: int


@dataclass(frozen=True)
class Misfit:
    """A block that is not what the pointer at `place`, in block `holder` (-1: a variable), says it is: it `expected`
    that type at `offset` in the block; `reason` is "too small", "not a pointer" (a member that should be one holds
    none: `member_offset`), or "another type"."""

    block: int
    holder: int
    place: int
    expected: int
    offset: int
    reason: str
    member_offset: int = 0


@dataclass(frozen=True)
class BlockTypes:
    """What is known of each block (index as in PointerGraph.blocks).

    `type` is a number of the catalogue's (-1: not known); `count` the elements where the block is an array of it (0:
    it is one object); `part` the offset in the block at which the object begins (behind a header of the program's
    own); `confidence` and `how` as above. `parent` is the block whose word at address `parent_place` led here (-1:
    a variable's word; no word: `parent_place` 0). `role` is an index in `roles`, `label` one in `labels`, names that
    are known without debug information ("Python dict"); -1 for none, and before label_blocks() was asked (`named` are
    the labels that were found on the way, by block). `alternatives` are the types that are as good,
    where there are several. For each edge of the graph: `firm`, the word is a pointer member of a typed block, and
    `dead`, it lies where the type has nothing; `firm_roots`, for each of the roots' words: a variable's pointer to a
    struct that is a part of a typed block, as a list's head has it (no rows where nothing has a type). `start` are the
    blocks' first addresses, `inner` the objects in blocks beside those that these are called by, `unions` what
    unions' pointers lead to. `interrupted`:
    Ctrl-C cut it short.
    """

    catalogue: Catalogue
    start: NDArray[np.uint64]
    type: NDArray[np.int32]
    count: NDArray[np.int32]
    part: NDArray[np.uint32]
    confidence: NDArray[np.uint8]
    how: NDArray[np.uint8]
    parent: NDArray[np.int32]
    parent_place: NDArray[np.uint64]
    role: NDArray[np.int32]
    label: NDArray[np.int32]
    firm: NDArray[np.bool_]
    dead: NDArray[np.bool_]
    firm_roots: NDArray[np.bool_]
    roles: tuple[Role, ...] = ()
    labels: tuple[str, ...] = ()
    alternatives: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    named: Mapping[int, str] = field(default_factory=dict)
    misfits: tuple[Misfit, ...] = ()
    roots: tuple[TypedRoot, ...] = ()
    inner: Inner = field(default_factory=no_inner)
    unions: UnionWords = field(default_factory=no_union_words)
    interrupted: bool = False
    # Names that were asked for, by number: many a block has the same.
    _type_names: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _role_names: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.type)

    def type_name(self, number: int) -> str:
        """Return the name of a type of the catalogue's."""
        if number not in self._type_names:
            self._type_names[number] = type_name(self.catalogue, number)
        return self._type_names[number]

    def name(self, block: int) -> str:
        """Return what the block is: "struct order", "Shape[17]", a label; "" where that is not known."""
        number = int(self.type[block])
        if number != NONE:
            count, name = int(self.count[block]), self.type_name(number)
            name += f"[{count}]" if count else ""
            inside = int(self.how[block]) == How.INSIDE
            return f"block with {name} at +{int(self.part[block]):#x}" if inside else name
        label = int(self.label[block])
        return self.labels[label] if label >= 0 else ""

    def role_name(self, block: int) -> str:
        """Return who points to the block: "dictEntry.key", "server.backlog"; "" where nobody known does."""
        index = int(self.role[block])
        if index < 0:
            return ""
        if index not in self._role_names:
            self._role_names[index] = self.roles[index].text(self.catalogue)
        return self._role_names[index]

    def member_at(self, block: int, offset: int) -> str:
        """Return what lies at the offset in a typed block: "Shape::id", "Shape[3]::id"; "" where that is not known."""
        lying, within = self.inner.at(np.array([int(self.start[block]) + offset], np.uint64))
        telling = self.telling_at(int(self.start[block]) + offset)
        if lying[0] >= 0:
            return member_name(self.catalogue, int(lying[0]), int(within[0]), telling)
        number, inside = int(self.type[block]), offset - int(self.part[block])
        if number == NONE or inside < 0:
            return ""
        size = size_of(self.catalogue, number)
        if not int(self.count[block]) or not size:
            return member_name(self.catalogue, number, inside, telling)
        index, inside = divmod(inside, size)
        path = member_path(self.catalogue, number, inside, telling)
        return f"{self.type_name(number)}[{index}]{path}"

    def telling_at(self, address: int) -> Telling:
        """Return how the member at an address is told: a union's by what its pointer leads to."""
        return Telling(wanted=self.unions.type_at(address))

    def chain(self, block: int) -> tuple[TypeStep, ...]:
        """Return the words that lead from a variable to the block, the variable's first; () where none is known."""
        steps: list[TypeStep] = []
        seen: set[int] = set()
        while block >= 0 and block not in seen and len(steps) < _LONGEST_CHAIN:
            seen.add(block)
            place = int(self.parent_place[block])
            if not place and int(self.parent[block]) < 0:
                break
            holder = int(self.parent[block])
            member = self.member_at(holder, place - int(self.start[holder])) if holder >= 0 else self.root_at(place)
            steps.append(TypeStep(place, holder, member, block))
            block = holder
        return tuple(reversed(steps))

    def root_at(self, address: int) -> str:
        """Return the variable's part that lies at the address: "server.sessions"; "" for none."""
        for root in self.roots:
            inside = address - root.address
            if inside == 0 or 0 < inside < size_of(self.catalogue, root.type):
                return root.name + member_path(self.catalogue, root.type, inside, self.telling_at(address))
        return ""


def no_types(start: NDArray[np.uint64], edges: int, catalogue: Catalogue | None = None) -> BlockTypes:
    """Return what is known where there is no debug information: nothing."""
    count = len(start)

    def column(fill: int, kind: Any) -> Any:
        return np.full(count, fill, kind)

    return BlockTypes(
        catalogue or Catalogue(),
        start,
        column(NONE, np.int32),
        column(0, np.int32),
        column(0, np.uint32),
        column(0, np.uint8),
        column(0, np.uint8),
        column(-1, np.int32),
        column(0, np.uint64),
        column(-1, np.int32),
        column(-1, np.int32),
        np.zeros(edges, np.bool_),
        np.zeros(edges, np.bool_),
        np.zeros(0, np.bool_),
    )
