"""Where an address is."""

from __future__ import annotations

from gdbheap.analysis.facts.places import (
    AtSymbol,
    BeforeMapping,
    InChunk,
    InMapping,
    IntoChunk,
    IntoMapping,
    KernelHalf,
    Nowhere,
    OnStack,
    PastMapping,
)
from gdbheap.sentences.facts.phrases import Phrases


def chunk(fact: InChunk) -> str:
    """Return "tcache chunk 0x4052a0 of 0x30 bytes (tcache[1] 1/2)"."""
    place = f" ({fact.place})" if fact.place else ""
    return f"{fact.state} chunk {fact.chunk:#x} of {fact.size:#x} bytes{place}"


def mapping(fact: InMapping) -> str:
    """Return the mapping as /proc/PID/maps writes it."""
    return f"{fact.start:x}-{fact.end:x} {fact.permissions} {fact.path or '(anonymous)'}"


def distance(offset: int) -> str:
    """Return how far into a chunk's block, or before it: to be put before "the chunk"."""
    return f"{offset:#x} bytes into" if offset >= 0 else f"{-offset:#x} bytes before the block of"


def past(size: int) -> str:
    """Return how far past something: "just", "0x8 bytes"."""
    return f"{size:#x} bytes" if size else "just"


PHRASES: Phrases = {
    InChunk: chunk,
    InMapping: mapping,
    IntoMapping: "{address} is {offset:#x} bytes into {mapping}",
    PastMapping: lambda fact: f"{past(fact.distance)} past the end of {mapping(fact.mapping)}",
    BeforeMapping: "{distance:#x} bytes before {mapping}",
    AtSymbol: "{symbol}",
    OnStack: "the stack",
    IntoChunk: lambda fact: f"{distance(fact.offset)} the {chunk(fact.chunk)}",
    Nowhere: "where nothing is mapped",
    KernelHalf: "in the kernel's half",
}
