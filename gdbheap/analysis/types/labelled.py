"""Names that need no debug information, for the blocks that have no type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gdbheap.analysis.objects.contents import is_class, is_text
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.name_objects import name_objects
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes, Confidence, How
from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE


def labelled(types: BlockTypes, held: PointerGraph, lookup: Lookup, names: Mapping[int, str]) -> BlockTypes:
    """Return the same with labels; `names` are labels that are known already, by block."""
    labels = name_objects(held.blocks, np.flatnonzero(types.type == NONE), lookup)
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
