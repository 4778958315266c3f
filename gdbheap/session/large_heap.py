"""Heaps so large that a question about one address is not worth that all of the heap is read and typed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.session.block_names import block_names
from gdbheap.session.block_types import types_are_known
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.sentences.block_names import BlockNames

# Of so many bytes all that is asked of a heap is answered in about a second.
_MOST = 32 << 20


def is_large(target: Target) -> bool:
    """Whether types and ways of this stop's blocks are not known yet, and would take long."""
    from gdbheap.glibc.arena import read_ring  # kept out of gdb's start

    if types_are_known(target):
        return False
    ring, _ = read_ring(target.process, target.layout())
    mapped = sum(vma.size for vma in target.process.address_space if vma.writable)
    # (What a broken arena says of itself may be anything.)
    return min(sum(arena["system_mem"] for arena in ring), mapped) > _MOST


def names_at_hand(target: Target) -> BlockNames | None:
    """Return the names of this stop's blocks, None where they would take long, or there are none."""
    return None if is_large(target) else block_names(target)


def notes_on_names(target: Target, address: int) -> tuple[str, ...]:
    """Return what to say of an answer about a block in use that goes without names."""
    if not target.setting("types") or not is_large(target):
        return ()
    return (f"this heap is large: `heap types --why {address:#x}` reads all of it, and tells what this block is",)
