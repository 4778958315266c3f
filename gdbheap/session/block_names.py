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


def block_names(target: Target, graph_is_read: bool = False) -> BlockNames | None:
    """Return the names; None where the user wants none, nothing tells of any, or Ctrl-C came meanwhile: the answer then
    goes without. Unless `graph_is_read`, the pointer graph is not read for what can be named without debug
    information alone."""
    from gdbheap.sentences.block_names import BlockNames

    if not target.setting("types"):
        return None
    try:
        if not graph_is_read and not joined_catalogue(target).types:
            return None
        types = block_types(target)
    except KeyboardInterrupt:
        return None
    if not types.catalogue.types and not types.labels:
        return None
    return target.keep(_NAMES, lambda _: BlockNames(types, pointer_graph(target).blocks))
