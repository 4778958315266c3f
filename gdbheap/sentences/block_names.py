"""What answers call the blocks that they show: a type, and how far that name may be relied on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.columns.distinct import coded
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.confidence import Confidence
from gdbheap.types.member_paths import plain_member, pointer_path
from gdbheap.types.pointers import pointers_of
from gdbheap.types.short_names import short_name
from gdbheap.types.type_names import member_path, size_of, type_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.allocators.blocks import Blocks
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.analysis.types.by_type import NamedKind
    from gdbheap.types.typed_root import TypedRoot

# So many of the types that are as good are told.
_MOST_OTHERS = 2


class BlockNames:
    """Names for people, from what is known of the blocks' types."""

    def __init__(self, types: BlockTypes, blocks: Blocks) -> None:
        self.types = types
        self._blocks = blocks
        self._roots = sorted((each for each in types.roots if each.address), key=lambda each: each.address)
        self._addresses = [each.address for each in self._roots]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut short what the names rest on."""
        return self.types.interrupted

    def find(self, address: int) -> int | None:
        """Return the block that holds the address, or None."""
        return self._blocks.find(address)

    def holding(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the block that holds each address, -1 where none does."""
        found = self._blocks.starts.before(addresses)
        held = found >= 0
        held[held] = addresses[held] < self._blocks.end[found[held]]
        return np.where(held, found, -1)

    def at(self, address: int) -> str:
        """Return the name of the block that holds the address; "" where there is none, or it has none."""
        block = self._blocks.find(address)
        return "" if block is None else self.of(block)

    def codes_at(self, mems: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return a number for each address that is the same for blocks called alike; -1 where no block begins."""
        from gdbheap.analysis.types.by_type import kind_codes

        codes = np.full(len(mems), -1, np.int64)
        if len(self._blocks):
            near = np.minimum(np.searchsorted(self._blocks.start, mems), len(self._blocks) - 1)
            begins = self._blocks.start[near] == mems
            codes[begins] = kind_codes(self.types)[near[begins]]
        return codes

    def type_at(self, address: int) -> tuple[str | None, str | None]:
        """Return the type of the block that holds the address, and how sure it is, as JSON has them; None where it is
        not known."""
        from gdbheap.analysis.types.block_types import Confidence

        block = self._blocks.find(address)
        name = "" if block is None else self.types.name(block)
        return (name, Confidence(int(self.types.confidence[block])).label) if name else (None, None)

    def element_type(self, block: int) -> str:
        """Return the type of the block, of an array that of its elements, by its full name; "" where it is not
        known."""
        number = int(self.types.type[block])
        return "" if number == NONE else type_name(self.types.catalogue, number)

    def element_size(self, block: int) -> int:
        """Return the size in bytes of the block's type, of an array that of its elements; 0 where it is not known."""
        return size_of(self.types.catalogue, int(self.types.type[block]))

    def of(self, block: int) -> str:
        """Return the block's name, with its confidence: "struct order", "likely Shape[3]", "perhaps A or B", "what
        dictEntry.key points to"; "" where nothing is known."""
        from gdbheap.analysis.types.block_types import Confidence
        from gdbheap.analysis.types.by_type import kind_of

        kind = kind_of(self.types, block)
        if kind.name:
            kind = replace(kind, name=self.types.name(block))
        return said_kind(kind, Confidence(int(self.types.confidence[block])).label)

    def typed(self, block: int) -> str:
        """Return the same of a block whose type is known; "" for one that only plays a role."""
        return self.of(block) if self.types.name(block) else ""

    def of_many(self, blocks: NDArray[np.intp]) -> tuple[NDArray[np.int32], list[str], NDArray[np.bool_]]:
        """Return the names of these blocks, the arrays of a type by one ("order[]"): (place in the list or -1 for each,
        the list, which are certain)."""
        from gdbheap.analysis.types.block_types import Confidence
        from gdbheap.analysis.types.by_type import kind_codes, kind_of

        levels = len(Confidence)
        codes = kind_codes(self.types)[blocks] * levels + self.types.confidence[blocks]
        _, first, which = coded(codes)
        names: list[str] = []
        places = []
        for at in blocks[first].tolist():
            kind = kind_of(self.types, at)
            name = said_kind(kind, Confidence(int(self.types.confidence[at])).label)
            places.append(len(names) if name else -1)
            names += [name] if name else []
        certain: NDArray[np.bool_] = self.types.confidence[blocks] == Confidence.CERTAIN
        return np.array(places, np.int32)[which], names, certain

    def member_at(self, address: int) -> str:
        """Return the member that lies at the address: "Shape::id"; "" where the block's type is not known."""
        block = self._blocks.find(address)
        return "" if block is None else self.member_of(block, address - int(self._blocks.start[block]))

    def member_of(self, block: int, offset: int) -> str:
        """Return the member that lies so far from the block's start: "Shape::id", "[3].id of Shape[17]"."""
        member, name = self.types.member_at(block, offset), self.types.name(block)
        if not member or member == name or self._is_text(block):
            return ""
        if int(self.types.count[block]):
            return f"{self.path_within(block, offset)} of {short_name(name)}"
        return plain_member(short_name(member))

    def _is_text(self, block: int) -> bool:
        """Whether it is an array of characters: its elements are no members."""
        number = int(self.types.type[block])
        return number != NONE and self.types.catalogue.types[number].kind is TypeKind.CHARACTER

    def members_in(self, block: int, offset: int, size: int) -> str:
        """Return the members that begin in these bytes of a block, without the type's name: "id, note[0-3]"; "" where
        none does, and of text."""
        if int(self.types.type[block]) == NONE or self._is_text(block):
            return ""
        found: dict[str, list[str]] = {}
        for at in range(offset, offset + size):
            path = self.path_within(block, at)
            if path and "+0x" not in path:
                array, bracket, index = plain_member(path.lstrip(".")).rpartition("[")
                whole = bracket and index.endswith("]")
                found.setdefault(array if whole else array + bracket + index, []).extend([index[:-1]] if whole else [])
        return ", ".join(f"{name}{_indices(indices)}" for name, indices in found.items())

    def sure_member(self, block: int, offset: int) -> str:
        """Return the member with how sure the block's type is; the block's name for its start, "" where its type is
        not known."""
        member = self.member_of(block, offset)
        if not member:
            return self.typed(block)
        level = int(self.types.confidence[block])
        return f"{('', 'perhaps ', 'likely ', '')[level]}{member}"

    def variable_at(self, address: int) -> str:
        """Return the part of a variable that lies at the address: "server.sessions"; "" for none."""
        return self._variable(address)[0]

    def pointer_at(self, place: int) -> tuple[str, int]:
        """Return the variable, or the member of a block whose type is sure, that is a pointer at this place, and the
        type that it points to; ("", NONE) for none."""
        catalogue, block = self.types.catalogue, self._blocks.find(place)
        if block is None:
            root = self._root(place)
            pointers = {} if root is None else pointers_of(catalogue, root.type)
            return self._variable(place)[0], NONE if root is None else pointers.get(place - root.address, NONE)
        number, offset = int(self.types.type[block]), place - int(self.types.start[block])
        size = self.element_size(block)
        if number == NONE or not size or int(self.types.confidence[block]) < Confidence.LIKELY:
            return "", NONE
        inside = (offset - int(self.types.part[block])) % size
        return self.member_of(block, offset), pointers_of(catalogue, number).get(inside, NONE)

    def way_from(self, address: int, members: Sequence[str]) -> str:
        """Return the way from the variable at the address along the members that path_within() gives, as one
        expression: "server.sessions->buckets[17]->session"; whose variable it is, where it is not everybody's, behind
        it."""
        variable, whose = self._variable(address)
        return f"{pointer_path(variable, members)}{f' ({whose})' if whose else ''}" if variable else ""

    def _variable(self, address: int) -> tuple[str, str]:
        root = self._root(address)
        if root is None:
            return "", ""
        inside = address - root.address
        way = member_path(self.types.catalogue, root.type, inside, self.types.telling_at(address))
        return plain_member(root.variable + way), root.whose

    def _root(self, address: int) -> TypedRoot | None:
        """Return the variable that the address is in."""
        at = bisect_right(self._addresses, address) - 1
        root = self._roots[at] if at >= 0 else None
        inside = 0 if root is None else address - root.address
        return None if root is None or (inside and inside >= size_of(self.types.catalogue, root.type)) else root

    def is_link(self, block: int, offset: int) -> bool:
        """Whether a word of the block only leads on inside a container: from a bucket to a node, or from node to
        node."""
        from gdbheap.analysis.types.libstdcxx import is_link

        number, inside = int(self.types.type[block]), offset - int(self.types.part[block])
        return number != NONE and inside >= 0 and is_link(self.types.catalogue, number, inside)

    def path_within(self, block: int, offset: int) -> str:
        """Return the same without the type: ".id", "[3].id", "" for the start of what has no members."""
        number, inside = int(self.types.type[block]), offset - int(self.types.part[block])
        if number == NONE or inside < 0:
            return f"+{offset:#x}"
        size = size_of(self.types.catalogue, number)
        telling = self.types.telling_at(int(self.types.start[block]) + offset)
        if not int(self.types.count[block]) or not size:
            return member_path(self.types.catalogue, number, inside, telling)
        index, inside = divmod(inside, size)
        return f"[{index}]{member_path(self.types.catalogue, number, inside, telling)}"


def _indices(indices: Sequence[str]) -> str:
    """Return the indices of an array's elements, which follow each other."""
    return f"[{indices[0]}{f'-{indices[-1]}' if len(indices) > 1 else ''}]" if indices else ""


def said_kind(kind: NamedKind, confidence: str) -> str:
    """Return what answers call blocks of a kind; "" where nothing is known."""
    if kind.name:
        return with_confidence(kind.name, confidence, kind.others)
    return f"what {plain_member(short_name(kind.role))} points to" if kind.role else ""


def with_confidence(name: str, confidence: str, others: Sequence[str]) -> str:
    """Return a type's name as answers write it; `others` are the types that are as good."""
    short = short_name(name)
    if confidence == "possible" and others:
        shown = [short, *map(short_name, others[:_MOST_OTHERS])]
        more = f" (or {len(others) - _MOST_OTHERS:,} more)" if len(others) > _MOST_OTHERS else ""
        return f"perhaps {' or '.join(dict.fromkeys(shown))}{more}"
    return {"possible": f"perhaps {short}", "likely": f"likely {short}"}.get(confidence, short)
