"""What every block of this stop is, as the commands share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.address_space import joined
from gdbheap.session.catalogues import joined_catalogue, typed_roots
from gdbheap.session.object_names import lookup
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.types.block_types import BlockTypes
    from gdbheap.types.catalogue import Catalogue

_TYPES: Key[BlockTypes] = Key("block types")
_LABELLED: Key[BlockTypes] = Key("block types with labels")
_CUT_SHORT = "stopped by Ctrl-C: only the types found until then are known; the next command looks again"


def block_types(target: Target) -> BlockTypes:
    """Return the types of this stop's blocks, with labels: found once, kept until the process runs on."""
    return labelled_types(target, None)


def labelled_types(target: Target, chosen: NDArray[np.bool_] | None) -> BlockTypes:
    """Return the same with labels of these blocks alone (None: of all): where few are shown, the others' are not worth
    that they are read again."""
    from gdbheap.analysis.types.label_blocks import label_blocks  # kept out of gdb's start

    types = plain_types(target)
    held = pointer_graph(target)
    if types.interrupted:
        return types
    if chosen is not None and not target.knows(_LABELLED):
        return label_blocks(target.process, types, held, lookup(target), chosen)
    return target.keep(
        _LABELLED, lambda _: label_blocks(target.process, types, held, lookup(target)), "naming each block"
    )


def plain_types(target: Target) -> BlockTypes:
    """Return the types without labels, for what asks no block's name."""
    from gdbheap.analysis.types.block_types import no_types  # kept out of gdb's start

    held, catalogue = pointer_graph(target), joined_catalogue(target)
    if catalogue.interrupted:
        target.cut_short = _CUT_SHORT
    if not len(catalogue.types):
        return target.keep(_TYPES, lambda _: no_types(held.blocks.start, len(held.graph.source), catalogue))
    types = target.keep(_TYPES, lambda _: _found_types(target, held, catalogue), "finding what each block is")
    if types.interrupted:
        target.cut_short = _CUT_SHORT
    return types


def _found_types(target: Target, held: PointerGraph, catalogue: Catalogue) -> BlockTypes:
    from gdbheap.analysis.types.find_types import find_types  # sixty files, only for who has debug information
    from gdbheap.analysis.types.typing_state import TypeSources
    from gdbheap.session.function_types import types_in_function

    functions, own = types_in_function(target, catalogue), joined(target.heap().own_ranges())
    sources = TypeSources(target.process, catalogue, typed_roots(target), lookup(target), functions, own)
    return find_types(sources, held)


def types_are_known(target: Target) -> bool:
    """Whether the types of this stop's blocks were found by now."""
    return target.knows(_TYPES)
