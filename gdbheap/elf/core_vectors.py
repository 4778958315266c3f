"""A thread's vector registers, as a core's notes (and ptrace, which has them alike) keep them."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.machine.machine import Machine
from gdbheap.process.memory import WORD_FORMATS

# No address is smaller.
_LEAST = 1 << 12
# Where XSAVE's header says which parts of the state are there (xstate_bv).
_STATE_BITS = 512


def vector_words(machine: Machine, kind: int, body: bytes) -> Iterator[tuple[str, int]]:
    """Yield (register, word) of the words that could be pointers, out of a note of this kind."""
    for part in machine.core.vectors:
        if part.note != kind or (part.state and not _has_state(body, part.state)):
            continue
        for index in range(part.count):
            start = part.offset + index * part.size
            piece = body[start : start + part.size]
            if len(piece) < part.size:
                break
            for word in memoryview(piece).cast(WORD_FORMATS[machine.pointer_size]):
                if machine.untagged(word) >= _LEAST:
                    yield f"{part.family}{index}", machine.untagged(word)


def _has_state(body: bytes, bit: int) -> bool:
    return bool(int.from_bytes(body[_STATE_BITS : _STATE_BITS + 8], "little") >> bit & 1)
