"""What every block of this stop is, as the commands share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.catalogues import joined_catalogue, typed_roots
from gdbheap.session.object_names import lookup
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.types.block_types import BlockTypes

_TYPES: Key[BlockTypes] = Key("block types")


def block_types(target: Target) -> BlockTypes:
    """Return the types of this stop's blocks: found once, kept until the process runs on."""
    from gdbheap.analysis.types.find_types import find_types  # kept out of gdb's start

    held = pointer_graph(target)
    catalogue, roots = joined_catalogue(target), typed_roots(target)
    return target.keep(_TYPES, lambda _: find_types(target.process, held, catalogue, roots, lookup(target)))


def types_are_known(target: Target) -> bool:
    """Whether the types of this stop's blocks were found by now."""
    return target.knows(_TYPES)
