"""Names that need no debug information, for the blocks that have no type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.contents import is_class, is_text
from gdbheap.analysis.objects.counted_text import LONGEST, leads_to_counted_text
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.name_objects import name_objects
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes, Confidence, How
from gdbheap.analysis.types.without_tags import without_tags
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.process import Process
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many hold an offset up to LONGEST.
_OFFSET_BITS = 8


def label_blocks(
    process: Process, types: BlockTypes, held: PointerGraph, lookup: Lookup, chosen: NDArray[np.bool_] | None = None
) -> BlockTypes:
    """Return the same with labels of the `chosen` blocks (None: of all), and of what these own."""
    untyped = types.type == NONE
    if chosen is not None:
        untyped &= chosen
    labels = name_objects(held.blocks, np.flatnonzero(untyped), lookup)
    for block, offset in _counted_texts(without_tags(process, held.blocks), held, untyped):
        labels.label[block], labels.confidence[block] = labels.place(f"text at +{offset:#x}"), Confidence.LIKELY
    for block, name in types.named.items():
        labels.label[block], labels.confidence[block] = labels.place(name), Confidence.CERTAIN
    # Text behind its length may be a part of something else; what lies further on in a block is no name for it.
    is_name = np.array([is_class(name) or is_text(name) for name in labels.names], np.bool_)
    named = (types.type == NONE) & (labels.label != NONE)
    named[named] = is_name[labels.label[named]]
    return replace(
        types,
        label=np.where(named, labels.label, np.int32(NONE)),
        labels=tuple(labels.names),
        confidence=np.where(named, labels.confidence, types.confidence),
        how=np.where(named, np.uint8(How.CONTENTS), types.how),
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
