"""Blocks whose bytes speak against their type: it is not certain then, whoever says it."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind


def doubt_contents(state: TypingState) -> None:
    """Hold the bytes of all blocks that are certain against their types: those of which some speak against it are
    likely, or possible where no more speak for it."""
    chosen = np.flatnonzero((state.confidence == Confidence.CERTAIN) & state.whole & (state.count == 0))
    order = chosen[np.argsort(state.type[chosen], kind="stable")].astype(np.int32)
    ends = np.flatnonzero(np.diff(state.type[order], append=-2)) + 1
    for blocks in np.split(order, ends[:-1]):
        number = int(state.type[blocks[0]]) if len(blocks) else -1
        if number < 0 or state.book.info(number).kind not in (TypeKind.STRUCT, TypeKind.UNION):
            continue
        for part in distinct(state.part[blocks]).tolist():
            here = blocks[state.part[blocks] == part]
            good, bad = evidence(state, number, here, part)
            state.confidence[here[(bad > 0) & (bad <= good)]] = Confidence.LIKELY
            state.confidence[here[bad > good]] = Confidence.POSSIBLE


def doubt_pools(state: TypingState, words: TypedWords) -> None:
    """Have blocks that begin with a struct that ends with an array of pointers or numbers be called blocks with it in
    them, where one of the words leads to a struct within that array: objects of all kinds lie there (an arena)."""
    layouts, number = state.layouts, np.where(words.code >= 0, state.type[words.target], -1)
    local = layouts.local(number.astype(np.int32))  # lays out what is not yet
    begin = layouts.flexible[local].astype(np.int64) + state.part[words.target]
    here = (number >= 0) & (layouts.flexible[local] >= 0) & (state.count[words.target] == 0) & (words.offset >= begin)
    words = words.at(here & (words.offset > 0))
    if not len(words):
        return
    kind = layouts.kind[layouts.local(words.code)]
    words = words.at((kind == TypeKind.STRUCT) & state.whole[words.target])
    for block in distinct(words.target).tolist():
        element = layouts.of(int(state.type[block])).element
        if state.book.info(element).kind in (TypeKind.POINTER, TypeKind.SCALAR):
            state.how[block] = How.INSIDE
            state.confidence[block] = min(int(state.confidence[block]), int(Confidence.LIKELY))
