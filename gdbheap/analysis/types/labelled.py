"""Names that need no debug information, for the blocks that have no type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.contents import is_class, is_text
from gdbheap.analysis.objects.counted_text import LONGEST, leads_to_counted_text
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.name_objects import name_objects
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes, Confidence, How
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.process import Process
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many hold an offset up to LONGEST.
_OFFSET_BITS = 8


def labelled(
    process: Process, types: BlockTypes, held: PointerGraph, lookup: Lookup, names: Mapping[int, str]
) -> BlockTypes:
    """Return the same with labels; `names` are labels that are known already, by block."""
    labels = name_objects(held.blocks, np.flatnonzero(types.type == NONE), lookup)
    for block, offset in _counted_texts(process, held, types.type == NONE):
        labels.label[block], labels.confidence[block] = labels.place(f"text at +{offset:#x}"), Confidence.LIKELY
    for block, name in names.items():
        labels.label[block], labels.confidence[block] = labels.place(name), Confidence.CERTAIN
    # Text behind its length may be a part of something else; what lies further on in a block is no name for it.
    is_name = np.array([is_class(name) or is_text(name) for name in labels.names], np.bool_)
    chosen = (types.type == NONE) & (labels.label != NONE)
    chosen[chosen] = is_name[labels.label[chosen]]
    return replace(
        types,
        label=np.where(chosen, labels.label, np.int32(NONE)),
        labels=tuple(labels.names),
        confidence=np.where(chosen, labels.confidence, types.confidence),
        how=np.where(chosen, np.uint8(How.CONTENTS), types.how),
    )


def _counted_texts(process: Process, held: PointerGraph, wanted: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the wanted blocks that hold text behind a header which tells its length, and the offset of the text: where
    somebody points to it."""
    target = np.concatenate((held.graph.target, held.from_roots.target))
    offset = np.concatenate((held.graph.offset, held.from_roots.offset)).astype(np.uint64)
    near = wanted[target] & (offset > 0) & (offset <= LONGEST)
    pairs = distinct(target[near].astype(np.uint64) << np.uint64(_OFFSET_BITS) | offset[near])
    target, offset = (pairs >> np.uint64(_OFFSET_BITS)).astype(np.int32), pairs & np.uint64((1 << _OFFSET_BITS) - 1)
    good = leads_to_counted_text(process, held.blocks, target, offset, held.graph.head)
    yield from zip(target[good].tolist(), offset[good].tolist())
