"""Blocks whose bytes speak against their type: it is not certain then, whoever says it."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.typing_state import TypingState
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
