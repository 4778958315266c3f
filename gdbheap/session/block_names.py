"""The names of this stop's blocks, for every answer that shows a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.block_types import block_types
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.sentences.block_names import BlockNames


def block_names(target: Target) -> BlockNames | None:
    """Return the names; None where the user wants none, nothing tells of any, or Ctrl-C came meanwhile: the answer then
    goes without."""
    from gdbheap.sentences.block_names import BlockNames

    if not target.setting("types"):
        return None
    try:
        types = block_types(target)
    except KeyboardInterrupt:
        return None
    if not types.catalogue.types and not types.labels:
        return None
    return BlockNames(types, pointer_graph(target).blocks)
