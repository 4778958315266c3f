"""The names of this stop's blocks, for every answer that shows a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.block_types import block_types
from gdbheap.session.catalogues import joined_catalogue
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.sentences.block_names import BlockNames

_NAMES: Key[BlockNames] = Key("block names")


def all_names(target: Target) -> BlockNames:
    """Return the names, whatever the user's setting: for answers that are about types."""
    from gdbheap.sentences.block_names import BlockNames

    types, graph = block_types(target), pointer_graph(target)
    return target.keep(_NAMES, lambda _: BlockNames(types, graph.blocks))


def block_names(target: Target) -> BlockNames | None:
    """Return the names; None where the user wants none, there is no debug information (what can be named without it is
    not worth that the whole heap is read for it), or Ctrl-C came meanwhile: the answer then goes without."""
    if not target.setting("types"):
        return None
    try:
        return all_names(target) if len(joined_catalogue(target).types) else None
    except KeyboardInterrupt:
        return None
