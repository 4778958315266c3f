"""The names of this stop's blocks, for every answer that shows a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.session.block_types import block_types, labelled_types
from gdbheap.session.catalogues import joined_catalogue
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.sentences.block_names import BlockNames

_NAMES: Key[BlockNames] = Key("block names")


def all_names(target: Target) -> BlockNames:
    """Return the names, whatever the user's setting: for answers that are about types."""
    from gdbheap.sentences.block_names import BlockNames

    types, graph = block_types(target), pointer_graph(target)
    return target.keep(_NAMES, lambda _: BlockNames(types, graph.blocks))


def block_names(target: Target, chosen: NDArray[np.bool_] | None = None) -> BlockNames | None:
    """Return the names; None where the user wants none, there is no debug information (what can be named without it is
    not worth that the whole heap is read for it), or Ctrl-C came meanwhile: the answer then goes without. `chosen`: no
    other blocks' names will be asked for."""
    if not target.setting("types"):
        return None
    try:
        if not len(joined_catalogue(target).types):
            return None
        return all_names(target) if chosen is None else _names_of(target, chosen)
    except KeyboardInterrupt:
        return None


def _names_of(target: Target, chosen: NDArray[np.bool_]) -> BlockNames:
    from gdbheap.sentences.block_names import BlockNames

    return BlockNames(labelled_types(target, chosen), pointer_graph(target).blocks)
