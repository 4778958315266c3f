"""Members that may tell which of several things a pointer beside them leads to: a union's kind, a flag, a callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gdbheap.analysis.types.readings import WRONG
from gdbheap.analysis.types.tag import Tag
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]
    Words = NDArray[np.uint64]
    Scores = NDArray[np.int64]

# Structs in structs so deep are gone into, and so many members are tried.
_DEEPEST = 16
_MOST_TAGS = 24
# A tag has no more values than this, nor (but for a few) more than one for so many words.
_MOST_VALUES, _FEW_VALUES, _FEWEST_WORDS = 64, 8, 3
# What parting the words more often than there are types costs, and which part of a group's words may speak against its
# type.
_COST = 2
_ODD_PART = 50
# So much of a group may go better with another type: one word of so many.
_DISSENT = 4


def tagged_part(book: TypeBook, number: int, offset: int) -> tuple[int, int]:
    """Return the innermost struct at the offset of a type that is in no union, and the offset in it."""
    found = number, offset
    for _ in range(_DEEPEST):
        number = book.stripped(number)
        if number == NONE:
            break
        info = book.info(number)
        if info.kind is TypeKind.ARRAY:
            size = book.size(info.target)
            number, offset = info.target, offset % size if size else offset
            continue
        if info.kind is not TypeKind.STRUCT:
            break
        found = number, offset
        # (An empty base class lies where something else does.)
        inner = max(
            (
                each
                for each in info.members
                if each.kind in (MemberKind.FIELD, MemberKind.BASE)
                and each.offset <= offset < each.offset + book.size(each.type)
            ),
            key=lambda each: book.size(each.type),
            default=None,
        )
        if inner is None:
            break
        number, offset = inner.type, offset - inner.offset
    return found


def tags_of(book: TypeBook, number: int) -> list[Tag]:
    """Return the members of a struct that may be tags, its own first, then those of the structs in it."""
    found: dict[Tag, None] = {}
    front = [(number, 0)]
    for _ in range(3):
        following = []
        for struct, place in front:
            for member in book.info(struct).members:
                kind = book.stripped(member.type)
                if kind == NONE or member.kind not in (MemberKind.FIELD, MemberKind.BASE, MemberKind.BIT_FIELD):
                    continue
                info = book.info(kind)
                at = place + member.offset
                if member.kind is MemberKind.BIT_FIELD:
                    found.setdefault(Tag(at, 1))
                elif info.kind in (TypeKind.SCALAR, TypeKind.CHARACTER) and "float" not in info.name:
                    if info.size in (1, 2, 4, 8) and "double" not in info.name:
                        found.setdefault(Tag(at, info.size))
                elif info.kind is TypeKind.POINTER and info.size == book.pointer_size:
                    found.setdefault(Tag(at, info.size, True))
                elif info.kind is TypeKind.STRUCT:
                    following.append((kind, at))
        front = following
    return list(found)[:_MOST_TAGS]


def tag_values(state: TypingState, tag: Tag, struct: Words) -> Words:
    """Return what the tag holds in the structs at these addresses; of an address that tells no kind 0."""
    size = np.uint64(state.layouts.pointer_size)
    address = struct + np.uint64(tag.offset)
    aligned = address - address % size
    places, which = np.unique(aligned, return_inverse=True)
    values: Words = gather_words(state.process.memory, int(size), places)[:, 0][which.reshape(-1)]
    values = values >> (address % size * np.uint64(8))
    if tag.width < size:
        values &= np.uint64((1 << (8 * tag.width)) - 1)
    if tag.is_address:
        values[~state.modules.hold(values)] = 0
    return values


@dataclass(frozen=True)
class TagTypes:
    """What a tag tells: for each word the row of its type (-1: nothing), what that is worth in all, and the row of
    each of the tag's values that tells one."""

    tag: Tag
    row: NDArray[np.intp]
    worth: int
    rows: Mapping[int, int]

    @property
    def types(self) -> int:
        """How many types it tells apart."""
        return len(set(self.rows.values()))


def by_tags(state: TypingState, scores: Scores, struct: Words, number: int, base: int = -1) -> TagTypes | None:
    """Return what the best tag among the members of the structs of type `number` at these addresses tells of each word
    (a column of `scores`; a row for each type that it may lead to); None where none tells anything. `base`: the row of
    what the others begin with, which is seldom made alone where a tag tells several of those."""
    count = scores.shape[1]
    best: TagTypes | None = None
    for tag in tags_of(state.book, number):
        values, which = np.unique(tag_values(state, tag, struct), return_inverse=True)
        if len(values) <= min(_MOST_VALUES, max(_FEW_VALUES, count // _FEWEST_WORDS)):
            told = _told(scores, tag, which.reshape(-1), values, base)
            if best is None or (told.worth, told.types) > (best.worth, best.types):
                best = told
    return best if best is not None and best.worth > 0 else None


def rows_told(state: TypingState, told: TagTypes | None, struct: Words) -> NDArray[np.intp]:
    """Return what a tag tells of the structs at these addresses: the row of a type for each, -1 for nothing."""
    if told is None:
        return np.full(len(struct), -1)
    values, which = np.unique(tag_values(state, told.tag, struct), return_inverse=True)
    rows: NDArray[np.intp] = np.array([told.rows.get(each, -1) for each in values.tolist()], np.intp)
    return rows[which.reshape(-1)]


def _told(scores: Scores, tag: Tag, which: NDArray[np.intp], values: Words, base: int) -> TagTypes:
    """Return what it tells that the words with the same number in `which` lead to one type."""
    groups = len(values)
    total = np.stack([np.bincount(which, row, groups) for row in scores])
    wrong = np.stack([np.bincount(which, row == WRONG, groups) for row in scores])
    size = np.bincount(which, minlength=groups)
    sound = wrong * _ODD_PART <= size
    fine = np.where(sound, total, -np.inf)
    order = np.argsort(-fine, axis=0, kind="stable")
    best = order[0]
    first = fine[best, np.arange(groups)]
    second = fine[order[1], np.arange(groups)] if len(scores) > 1 else np.full(groups, -np.inf)
    clear = (first > -np.inf) & (first > second)
    # (Where many of its words go better with another type each, the tag does not part them.)
    dissent = np.bincount(which, scores[best[which], np.arange(len(which))] < scores.max(axis=0), groups)
    clear &= _DISSENT * dissent <= size
    taken = set(best[clear].tolist())
    row = np.where(clear, best, -1)
    for group in np.flatnonzero((first > -np.inf) & (first == second)).tolist():
        # Of types that go equally well, the one that no other value stands for.
        equal = [each for each in np.flatnonzero(fine[:, group] == first[group]).tolist() if each not in taken]
        if len(taken) > 1 and len(equal) > 1:
            equal = [each for each in equal if each != base]
        row[group] = equal[0] if len(equal) == 1 and _FEWEST_WORDS * groups <= len(which) else -1
    told = row >= 0
    # (A value for each type is no parting too many.)
    parted = groups - len(set(row[told].tolist()))
    worth = int(first[told].sum()) + int(size[told].sum()) - _COST * parted - 2 * int(size[~told].sum())
    rows = {int(value): int(each) for value, each in zip(values.tolist(), row.tolist()) if each >= 0}
    return TagTypes(tag, row[which], worth, rows)
