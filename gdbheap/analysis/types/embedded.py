"""Which types have which others in them, and where: a base class, a first member, a list's links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.repeated_headers import repeated_headers
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, MemberKind, TypeInfo, TypeKind
from gdbheap.types.type_book import TypeBook

# So many structs that hold one type are known, so deep, and so many elements of an array.
_MOST = 4096
_DEEPEST = 16
_MOST_ELEMENTS = 16


class Embedded:
    """Finds the structs that hold a type. All types are gone through at the first question."""

    def __init__(self, book: TypeBook) -> None:
        self._book = book
        self._direct: dict[int, list[tuple[int, int]]] | None = None
        self._rooms: dict[int, list[int]] = {}
        self._known: dict[int, tuple[tuple[int, int], ...]] = {}
        self._at: dict[tuple[int, int], tuple[int, ...]] = {}

    def holders(self, number: int) -> tuple[tuple[int, int], ...]:
        """Return (struct, offset in it) of all that hold the type, however deep."""
        if number not in self._known:
            self._known[number] = self._found(number)
        return self._known[number]

    def rooms(self, number: int, overhead: int) -> list[int]:
        """Return how much room malloc gives for the type, and for the structs that begin with it."""
        if number not in self._rooms:
            sizes = {self._book.info(number).size}
            sizes.update(self._book.info(holder).size for holder, offset in self.holders(number) if not offset)
            rooms = least_room(np.array(sorted(sizes), np.int64), overhead)
            self._rooms[number] = distinct(rooms).tolist()
        return self._rooms[number]

    def begins_with(self, number: int, other: int) -> bool:
        """Whether objects of type `number` begin with one of `other`."""
        return number == other or any(holder == number and not offset for holder, offset in self.holders(other))

    def derived(self, number: int) -> tuple[int, ...]:
        """Return the classes whose first base class the type is."""
        if self._direct is None:
            self._direct = self._all_direct()
        holders = (holder for holder, place in self._direct.get(number, ()) if not place)
        return tuple(dict.fromkeys(each for each in holders if self._has_base(each, number)))

    def _has_base(self, holder: int, number: int) -> bool:
        members = self._book.info(holder).members
        return any(each.kind is MemberKind.BASE and self._book.stripped(each.type) == number for each in members)

    def at(self, number: int, offset: int) -> tuple[int, ...]:
        """Return the structs that begin at the offset of objects of a type, the outermost first: itself at 0, its base
        classes and members."""
        key = number, offset
        if key not in self._at:
            found: dict[int, None] = {}
            inner: Iterable[tuple[int, int]] = (key,)
            for _ in range(_DEEPEST):
                inner = [(each, place) for each, place in inner if 0 <= place < self._book.info(each).size]
                found.update((each, None) for each, place in inner if not place)
                inner = [
                    (part, place - begin) for each, place in inner for part, begin in self._parts(self._book.info(each))
                ]
            self._at[key] = tuple(found)
        return self._at[key]

    def _found(self, number: int) -> tuple[tuple[int, int], ...]:
        if self._direct is None:
            self._direct = self._all_direct()
        found: dict[tuple[int, int], None] = {}
        front = [(number, 0)]
        for _ in range(_DEEPEST):
            following = []
            for inner, offset in front:
                for holder, place in self._direct.get(inner, ()):
                    entry = holder, place + offset
                    if entry not in found and len(found) < _MOST:
                        found[entry] = None
                        following.append(entry)
            front = following
        return tuple(found)

    def _all_direct(self) -> dict[int, list[tuple[int, int]]]:
        direct: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number in range(len(self._book)):
            info = self._book.info(number)
            if info.kind in (TypeKind.STRUCT, TypeKind.UNION) and info.size:
                for inner, offset in self._parts(info):
                    direct[inner].append((number, offset))
        for header, number in repeated_headers(self._book):
            direct[header].append((number, 0))
        return direct

    def _parts(self, info: TypeInfo) -> list[tuple[int, int]]:
        """Return (type, offset) of the structs among the members, those in arrays one by one."""
        found = []
        for member in info.members:
            if member.kind is MemberKind.VIRTUAL_BASE:
                continue
            number, count = self._book.stripped(member.type), 1
            if number != NONE and self._book.info(number).kind is TypeKind.ARRAY:
                count = min(max(self._book.info(number).count, 0), _MOST_ELEMENTS)
                number = self._book.stripped(self._book.info(number).target)
            if number != NONE and self._book.info(number).kind in (TypeKind.STRUCT, TypeKind.UNION):
                size = self._book.info(number).size
                found += [(number, member.offset + index * size) for index in range(count)]
        return found
