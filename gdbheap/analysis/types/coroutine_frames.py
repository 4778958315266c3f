"""Frames of C++20 coroutines, by the function that resumes them, to which their first word points. gcc has a type for
each, "_Z4readi.Frame"; clang calls all of them __coro_frame_ty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.coroutines import resumed_by
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.static_words import words_into
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OF_GCC, _OF_CLANG = (".Frame", ".frame"), "__coro_frame_ty"
# So many functions are asked about.
_MOST = 4096


def coroutine_claims(state: TypingState) -> Iterator[Claims]:
    """Yield claims of the frames whose type is told by the coroutine's name, or by being the only such type that goes
    with all its frames; such a type is called after its coroutine from then on."""
    frames = _frame_types(state)
    if not frames or state.lookup is None:
        return
    told: dict[int, list[tuple[str, NDArray[np.int32]]]] = {}
    certain: set[int] = set()
    for name, linked, blocks in _by_coroutine(state):
        sound = [each for each in frames if _goes_with(state, each, blocks)]
        named = [each for each in sound if linked and _is_of(state.book.info(each).name, linked)]
        for number in named or sound:
            told.setdefault(number, []).append((name, blocks))
        certain.update(named)
        if len(named or sound) > 1:
            told.setdefault(-1, []).append((name, blocks))
    several = {name for name, _ in told.pop(-1, [])}
    for number, coroutines in told.items():
        if len(coroutines) == 1 and coroutines[0][0] not in several:
            name, blocks = coroutines[0]
            state.book.change(number, replace(state.book.info(number), name=f"coroutine frame of {name}"))
            trust = Confidence.CERTAIN if number in certain else Confidence.LIKELY
            yield claims(blocks, number, How.CONTENTS, trust)


def _frame_types(state: TypingState) -> list[int]:
    names = state.book.catalogue.by_name
    found = [each for name in names if name.endswith((*_OF_GCC, _OF_CLANG)) for each in names[name]]
    return [each for each in found if state.book.info(each).size > 0]


def _is_of(frame: str, linked: str) -> bool:
    return frame.rpartition("::")[2].rpartition(".")[0] == linked


def _by_coroutine(state: TypingState) -> Iterator[tuple[str, str, NDArray[np.int32]]]:
    """Yield (coroutine, its linked name as far as the symbol tells, frames that wait in it)."""
    assert state.lookup is not None
    code = [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file and vma.executable]
    block, place, word = words_into(state, code)
    first = place == 0
    block, word = block[first].astype(np.int32), word[first]
    for resume in distinct(word).tolist()[:_MOST]:
        symbol = state.lookup.symbol(resume)
        told = None if symbol is None or symbol.offset else resumed_by(symbol.name, state.lookup.demangled)
        if told is not None:
            yield *told, block[word == resume]


def _goes_with(state: TypingState, number: int, blocks: NDArray[np.int32]) -> bool:
    size = np.full(len(blocks), state.book.info(number).size)
    fine = fits(state.room[blocks], size, state.layouts.overhead) & (evidence(state, number, blocks)[1] == 0)
    return bool(fine.all())
