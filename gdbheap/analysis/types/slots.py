"""What lies in each word of a type: pointers and to what, data, padding. Every type that occurs is laid out once, and
all layouts lie one behind the other in one table, so that one step of numpy serves objects of many types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, MemberKind, TypeInfo, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int32]

# What a word holds: the number of the type that it points to, or one of these. PADDING: nothing. PLAIN: data that is
# no pointer. INTEGER: an integer of a word's size, which may be a pointer in disguise. VOID: a pointer, to anything.
# CODE: a pointer to a function. VTABLE: to a vtable. MIXED: several of these (a union; Layouts.mixed has them). BYTES:
# raw memory, which may hold anything.
PADDING, PLAIN, INTEGER, VOID, CODE, VTABLE, MIXED, BYTES = range(-1, -9, -1)

# A type is laid out up to so many words, all types together up to so many, and structs in structs so deep.
_MOST_WORDS = 1 << 14
_MOST_IN_ALL = 1 << 22
_DEEPEST = 32
# libc++'s std::optional has a letter in place of its value where it has none: that is no other kind of word.
_NOTHING = "__null_state_"


@dataclass(frozen=True)
class SlotTarget:
    """A word that points to `type` (a catalogue's number, or VOID), as a rule says it: to `many`, one behind the
    other, or to one object."""

    type: int
    many: bool = False


# Returns what lies at some offsets of a type (where its members do not tell, or tell a base class), None where the rule
# knows nothing of the type.
LayoutRule = Callable[[TypeBook, int], "Mapping[int, SlotTarget] | None"]


@dataclass(frozen=True)
class WordLayout:
    """A type's words: `codes`, one for each; `many` where a rule says that several objects are pointed to; `size` in
    bytes. `flexible` is the offset of a flexible array behind it (-1: none), whose elements are `element` (size
    `stride`)."""

    codes: Codes
    many: NDArray[np.bool_]
    size: int
    flexible: int = -1
    element: int = NONE
    stride: int = 0
    ruled: bool = False


class Layouts:
    """The layouts of the types that occur; `table`, `many`: all of them; by local number: `base` (where in the table),
    `size`, `words`, and of the flexible array `flexible`, `stride`, `flexible_base`, `flexible_words`, then `kind`
    (a TypeKind)."""

    def __init__(self, book: TypeBook, pointer_size: int, rules: tuple[LayoutRule, ...] = (), header: int = 0) -> None:
        self.book = book
        self.pointer_size = pointer_size
        self.header = header
        # What a chunk has beside the room: malloc's size, and a header of the program's own.
        self.overhead = pointer_size + header
        self.mixed: dict[tuple[int, int], tuple[int, ...]] = {}
        self._rules = rules
        self._known: dict[int, WordLayout] = {}
        self._open: set[int] = set()
        self._number = np.zeros(len(book) + 1, np.int32)
        # Row 0 is nobody's: what has no type finds nothing there.
        self._rows: list[tuple[int, ...]] = [(NONE, 0, 0, 0, -1, 0, 0, 0, 0)]
        self._codes: list[Codes] = []
        self._many: list[NDArray[np.bool_]] = []
        self._words = 0
        self._stale = True

    def local(self, types: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the local numbers of these types (what is no type gives 0, nobody's), laid out if they were not."""
        types = np.maximum(types, NONE)
        if len(self._number) <= len(self.book):
            self._number = np.append(self._number, np.zeros(len(self.book) + 1 - len(self._number), np.int32))
        numbers = self._number[types]
        missing = (numbers == 0) & (types >= 0)
        if missing.any():
            for number in distinct(types[missing]).tolist():
                self._place(number)
            numbers = self._number[types]
        self._join()
        return numbers

    def laid_out(self) -> tuple[NDArray[Any], ...]:
        """Return, as the compiled loop takes them (kernel.c), the local number of each type (0: not laid out yet), and
        what is known by local number."""
        self._join()
        sizes = self.size, self.base, self.words, self.flexible, self.stride, self.flexible_base, self.flexible_words
        return self._number, *sizes

    def owner(self, slot: int) -> tuple[int, int]:
        """Return the type that a place in the table belongs to (a flexible array's: its element) and the word in it."""
        row = int(np.searchsorted(self.base, slot, side="right")) - 1
        while row > 0 and not self.words[row] + self.flexible_words[row]:
            row -= 1
        number, word = int(self.numbers[row]), slot - int(self.base[row])
        if word >= self.words[row]:
            return self.of(number).element, word - int(self.words[row])
        return number, word

    def of(self, number: int) -> WordLayout:
        """Return the layout of a type."""
        return self._of(number, 0)

    def pointers_in_union(self, number: int, word: int) -> tuple[int, ...]:
        """Return what the pointers that a union in a type may hold at a word lead to."""
        self.of(number)  # lays it out
        return tuple(each for each in self.mixed.get((self.book.stripped(number), word), ()) if each >= 0)

    def code_of(self, number: int) -> int:
        """Return what a word of this type, no larger than a pointer, holds."""
        codes = self.of(number).codes
        return int(codes[0]) if len(codes) else PADDING

    def _place(self, number: int) -> None:
        layout = self.of(number)
        flexible = self.of(layout.element) if layout.element != NONE else None
        codes = layout.codes if flexible is None else np.concatenate((layout.codes, flexible.codes))
        many = layout.many if flexible is None else np.concatenate((layout.many, flexible.many))
        if self._words + len(codes) > _MOST_IN_ALL:
            codes, many, flexible = codes[:0], many[:0], None
        count = len(layout.codes) if len(codes) else 0
        kind = self.book.info(self.book.stripped(number)).kind if self.book.stripped(number) != NONE else 0
        row = (number, self._words, layout.size, count, layout.flexible, layout.stride, self._words + count)
        self._number[number] = len(self._rows)
        self._rows.append((*row, len(codes) - count, int(kind)))
        self._codes.append(codes)
        self._many.append(many)
        self._words += len(codes)
        self._stale = True

    def _join(self) -> None:
        if not self._stale:
            return
        self._stale = False
        self.table = np.concatenate([np.empty(0, np.int32), *self._codes])
        self.many = np.concatenate([np.empty(0, np.bool_), *self._many])
        rows = np.ascontiguousarray(np.array(self._rows, np.int64).reshape(-1, 9).T)
        self.numbers, self.base, self.size, self.words = rows[:4]
        self.flexible, self.stride, self.flexible_base, self.flexible_words, self.kind = rows[4:]

    def _of(self, number: int, depth: int) -> WordLayout:
        if is_handle(self.book, number):
            return WordLayout(np.full(1, VOID, np.int32), np.zeros(1, np.bool_), self.pointer_size)
        number = self.book.stripped(number)
        known = self._known.get(number)
        if known is not None:
            return known
        if number == NONE or depth > _DEEPEST or number in self._open:
            return _empty()
        self._open.add(number)
        try:
            layout = self._made(number, self.book.info(number), depth)
        finally:
            self._open.discard(number)
        self._known[number] = layout
        return layout

    def _made(self, number: int, info: TypeInfo, depth: int) -> WordLayout:
        if info.kind is TypeKind.ARRAY:
            return self._array(info, depth)
        if info.kind in (TypeKind.STRUCT, TypeKind.UNION):
            return self._struct(number, info, depth)
        words = min(-(-info.size // self.pointer_size), _MOST_WORDS)
        return WordLayout(np.full(words, self._code(info), np.int32), np.zeros(words, np.bool_), info.size)

    def _code(self, info: TypeInfo) -> int:
        if info.kind is TypeKind.POINTER:
            if info.size != self.pointer_size:
                return BYTES
            target = self.book.stripped(info.target)
            kind = self.book.info(target).kind if target != NONE else TypeKind.OPAQUE
            if kind is TypeKind.OPAQUE:
                return VOID
            return CODE if kind is TypeKind.FUNCTION else target
        if info.kind is TypeKind.CHARACTER:
            return BYTES
        if info.kind is TypeKind.SCALAR:
            return INTEGER if info.size == self.pointer_size and not _is_plain(info.name) else PLAIN
        return BYTES if info.kind is TypeKind.MEMBER_POINTER else PADDING

    def _array(self, info: TypeInfo, depth: int) -> WordLayout:
        element = self._of(info.target, depth + 1)
        size = max(info.size, element.size * max(info.count, 0))
        size = min(size, (1 << 31) - 1)
        words = min(-(-size // self.pointer_size), _MOST_WORDS)
        if not element.size or not words:
            return _empty()
        if element.size % self.pointer_size:
            codes = np.full(words, BYTES if (element.codes == BYTES).all() else PLAIN, np.int32)
            return WordLayout(codes, np.zeros(words, np.bool_), size)
        times = -(-words // max(len(element.codes), 1))
        return WordLayout(np.tile(element.codes, times)[:words], np.tile(element.many, times)[:words], size)

    def _struct(self, number: int, info: TypeInfo, depth: int) -> WordLayout:
        words = min(-(-info.size // self.pointer_size), _MOST_WORDS)
        codes = np.full(words, PADDING, np.int32)
        many = np.zeros(words, np.bool_)
        for member in info.members:
            if member.kind is MemberKind.VTABLE:
                self._put(number, codes, member.offset // self.pointer_size, np.array([VTABLE], np.int32), False)
                continue
            if member.kind is MemberKind.VIRTUAL_BASE or member.name == _NOTHING:
                continue
            inner = self._of(member.type, depth + 1)
            if self._is_letter(member.type):
                # One alone is no raw memory: what lies in its word is no pointer.
                inner = WordLayout(np.array([PLAIN], np.int32), np.zeros(1, np.bool_), 1)
            # (The offset of a bit-field is that of its first byte.)
            unit = max(inner.size, 1) if member.kind is MemberKind.BIT_FIELD else 1
            offset = member.offset // unit * unit
            at = offset // self.pointer_size
            is_union = info.kind is TypeKind.UNION
            self._put(number, codes, at, self._aligned(inner, offset), is_union)
            inside = slice(at, at + len(inner.many))
            many[inside] |= inner.many[: len(many[inside])]
            self._mix(number, at, self.book.stripped(member.type), len(inner.codes), words)
        ruled = self._rule(number, codes, many)
        flexible, element, stride = self._flexible(info, depth)
        return WordLayout(codes, many, info.size, flexible, element, stride, ruled)

    def _is_letter(self, number: int) -> bool:
        number = self.book.stripped(number)
        return number != NONE and self.book.info(number).kind is TypeKind.CHARACTER

    def _aligned(self, inner: WordLayout, offset: int) -> Codes:
        """Return the codes of a member that may begin or end within a word."""
        rest = offset % self.pointer_size
        if not rest:
            return inner.codes
        words = -(-(rest + inner.size) // self.pointer_size)
        plain = PLAIN if inner.size and not (inner.codes == BYTES).all() else BYTES
        return np.full(min(words, _MOST_WORDS), plain if inner.size else PADDING, np.int32)

    def _put(self, number: int, codes: Codes, at: int, inner: Codes, is_union: bool) -> None:
        """Lay a member's words over the struct's; where two differ, it is a union, or two members share a word."""
        here = codes[at : at + len(inner)]
        inner = inner[: len(here)]
        old = here.copy()
        differ = (old != inner) & (old != PADDING) & (inner != PADDING)
        here[:] = np.where(inner == PADDING, old, inner)
        for index in np.flatnonzero(differ).tolist():
            one, two = int(old[index]), int(inner[index])
            if not is_union and one < 0 and two < 0:
                here[index] = PLAIN  # (raw memory that has not all of a word holds no pointer)
                continue
            before = self.mixed.get((number, at + index), (one,) if one != MIXED else ())
            self.mixed[number, at + index] = (*before, *(() if two in before or two == MIXED else (two,)))
            here[index] = MIXED

    def _mix(self, number: int, at: int, inner: int, count: int, words: int) -> None:
        """Take over what the member's own unions hold, an array's elements' too."""
        step = 0
        for _ in range(_DEEPEST):
            if inner == NONE or self.book.info(inner).kind is not TypeKind.ARRAY:
                break
            inner = self.book.stripped(self.book.info(inner).target)
            step = self.book.size(inner) // self.pointer_size
        if not any((inner, index) in self.mixed for index in range(min(count, step or count))):
            return
        for index in range(min(count, words - at)):
            within = self.mixed.get((inner, index % step if step else index))
            if within is not None:
                before = self.mixed.get((number, at + index), ())
                self.mixed[number, at + index] = (*before, *(each for each in within if each not in before))

    def _rule(self, number: int, codes: Codes, many: NDArray[np.bool_]) -> bool:
        for rule in self._rules:
            targets = rule(self.book, number)
            for offset, target in (targets or {}).items():
                place = offset // self.pointer_size
                if 0 <= place < len(codes):
                    codes[place], many[place] = target.type, target.many
            if targets is not None:
                return True
        return False

    def _flexible(self, info: TypeInfo, depth: int) -> tuple[int, int, int]:
        """Return the offset of the array at the struct's end that goes on behind it, its elements' type and size:
        "[]", or "[0]" and "[1]" of old."""
        last = max(info.members, key=lambda each: each.offset, default=None)
        number = self.book.stripped(last.type) if last is not None else NONE
        if last is None or number == NONE or info.kind is TypeKind.UNION:
            return -1, NONE, 0
        array = self.book.info(number)
        if array.kind is not TypeKind.ARRAY or array.count > 1:
            return -1, NONE, 0
        element = self._of(array.target, depth + 1)
        named = array.target if is_handle(self.book, array.target) else self.book.stripped(array.target)
        return (last.offset, named, element.size) if element.size else (-1, NONE, 0)


def is_handle(book: TypeBook, number: int) -> bool:
    """Whether the type is a typedef of the integers that are made to hold pointers (uintptr_t, intptr_t)."""
    for _ in range(_DEEPEST):
        info = book.info(number) if number != NONE else None
        if info is None or info.kind is not TypeKind.TYPEDEF:
            return False
        if info.name in ("uintptr_t", "intptr_t"):
            return True
        number = info.target
    return False


def _empty() -> WordLayout:
    return WordLayout(np.empty(0, np.int32), np.empty(0, np.bool_), 0)


def _is_plain(name: str) -> bool:
    """Whether numbers of this type are never pointers in disguise, whatever their size (int is none of uintptr_t's
    names)."""
    return name == "int" or "float" in name or "double" in name
