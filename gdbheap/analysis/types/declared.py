"""Types of data as the pointers to them are declared: uint32_t, not unsigned int."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, Member, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEEPEST = 16


def declared_types(state: TypingState, words: TypedWords) -> NDArray[np.int32]:
    """Return each word's code, or another name of that type: the one that the pointer is declared with."""
    found: NDArray[np.int32] = words.code.copy()
    for slot in distinct(words.slot[words.slot != NO_SLOT]).tolist():
        number, word = state.layouts.owner(slot)
        named = _pointed_to(state.book, number, word * state.layouts.pointer_size)
        here = words.slot == slot
        # (C++ tells types apart, and writes them in full in templates and symbols.)
        if (
            named != NONE
            and state.book.info(named).language == "c"
            and (words.code[here] == state.book.stripped(named)).all()
        ):
            found[here] = named
    return found


def _pointed_to(book: TypeBook, number: int, offset: int) -> int:
    """Return what the pointer at the offset of a type is declared to point to; NONE where there is none."""
    for _ in range(_DEEPEST):
        number = book.stripped(number)
        if number == NONE:
            return NONE
        info = book.info(number)
        if info.kind is TypeKind.POINTER:
            return info.target if not offset else NONE
        if info.kind is TypeKind.ARRAY:
            size = book.size(info.target)
            number, offset = info.target, offset % size if size else offset
        elif info.kind is TypeKind.STRUCT:
            inner = next((each for each in info.members if _covers(book, each, offset)), None)
            if inner is None:
                return NONE
            number, offset = inner.type, offset - inner.offset
        else:
            return NONE
    return NONE


def _covers(book: TypeBook, member: Member, offset: int) -> bool:
    is_whole = member.kind in (MemberKind.FIELD, MemberKind.BASE)
    return is_whole and member.offset <= offset < member.offset + book.size(member.type)
