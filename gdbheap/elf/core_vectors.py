"""A thread's vector registers, as a core's notes (and ptrace, which has them alike) keep them."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.machine.machine import Machine
from gdbheap.process.memory import WORD_FORMATS

# No address is smaller.
_LEAST = 1 << 12
# Where XSAVE's header says which parts of the state are there (xstate_bv), and where, among bytes that the processor
# leaves to it, the kernel says which ones the processor has (XCR0).
_STATE_BITS, _FEATURES = 512, 464


def vector_words(machine: Machine, kind: int, body: bytes) -> Iterator[tuple[str, int]]:
    """Yield (register, word) of the words that could be pointers, out of a note of this kind."""
    for part in machine.core.vectors:
        if part.note != kind or not part.within[0] <= len(body) < part.within[1]:
            continue
        if part.state and not _has(body, _STATE_BITS, part.state):
            continue
        family = part.wider[1] if part.wider and _has(body, _FEATURES, part.wider[0]) else part.family
        for index in range(part.count):
            start = part.offset + index * (part.step or part.size)
            piece = body[start : start + part.size]
            if len(piece) < part.size:
                break
            for word in memoryview(piece).cast(WORD_FORMATS[machine.pointer_size]):
                if machine.untagged(word) >= _LEAST:
                    yield f"{family}{part.first + index}", machine.untagged(word)


def _has(body: bytes, offset: int, bit: int) -> bool:
    return bool(int.from_bytes(body[offset : offset + 8], "little") >> bit & 1)
