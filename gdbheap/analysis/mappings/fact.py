"""A fact about an address, and what is one of a chunk's state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gdbheap.analysis.facts.fact import Fact
from gdbheap.glibc.chunk_table import Chunk
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import short_name


@dataclass(frozen=True)
class AddressFact:
    """`field` is the published name of what is told, `value` what it is (None: not known), `meaning` what that says: a
    fact, or words where people are told. `facts` are the same as a program needs them: ints, Addresses, names, flags,
    by their published names."""

    field: str
    value: str | None
    meaning: Fact | str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def state_facts(view: HeapView, chunk: Chunk) -> dict[str, Any]:
    """Return the state, and of a chunk in a free list which and where in it."""
    place, state = view.place_of(chunk.address), {"state": chunk.state.label}
    if place is None:
        return state
    each = place.bin
    return {**state, "bin": short_name(each), "position": place.position + 1, "of": len(each.chunks)}
