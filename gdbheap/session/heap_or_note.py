"""The heap, for what can be answered without it as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.errors import HeapError

if TYPE_CHECKING:
    from gdbheap.glibc.glibc_heap import GlibcHeap
    from gdbheap.session.target import Target


def heap_or_note(target: Target) -> tuple[GlibcHeap | None, tuple[str, ...]]:
    """Return malloc's heap; where there is none (yet), or it cannot be read, None and a note that says why. No note
    where no mappings are known: that is said by itself."""
    if not target.process.address_space.vmas:
        return None, ()
    try:
        return target.heap(), ()
    except HeapError as error:
        return None, (f"malloc's heaps could not be read, so they are not marked: {error}",)
