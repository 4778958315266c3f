"""Why a block has its verdict."""

from __future__ import annotations

import enum

from gdbheap.analysis.leaks.leaks import LeakKind, Leaks
from gdbheap.analysis.pointers.who_points import Holder, holders_of
from gdbheap.lazy import dataclass, np
from gdbheap.process.process import Process


class Because(enum.Enum):
    """What the verdict rests on; the value is the published name."""

    NOTHING_POINTS_TO_IT = "nothing_points_to_it"
    FIRST_OF_CYCLE = "first_of_cycle"
    ONLY_LOST_BLOCKS = "only_lost_blocks"
    ENCODED_POINTER = "encoded_pointer"
    INTERIOR_POINTER = "interior_pointer"
    SIGNAL_STACK = "signal_stack"
    MISSING_MEMORY = "missing_memory"
    UNWRITTEN_MEMORY = "unwritten_memory"
    HEURISTIC = "heuristic"
    POINTER_TO_START = "pointer_to_start"


@dataclass(frozen=True)
class EncodedWord:
    """The word at `place` leads to the block if it is XORed with `key` (None: without its upper bits); `alike` words
    are encoded so."""

    place: int
    key: int | None
    alike: int


@dataclass(frozen=True)
class WhyVerdict:
    """The block at `start` (its chunk has `size` bytes) is `kind`, for `because`.

    `via` is the block whose `because` that is, where this one only hangs on it (its start; None: itself), for an
    interior pointer it leads `offset` bytes into that. `word` is the encoded pointer that leads straight to the block.
    `heuristics` are the names of those that took a pointer for one to the start. `only_holder` is the one word that
    points to a block that is held by no other. `is_thread_vector`: it is libc's own vector of thread-local storage.
    """

    start: int
    size: int
    kind: LeakKind
    because: Because
    holders: tuple[Holder, ...]
    via: int | None = None
    offset: int | None = None
    word: EncodedWord | None = None
    heuristics: tuple[str, ...] = ()
    only_holder: Holder | None = None
    is_thread_vector: bool = False


def why_verdict(process: Process, leaks: Leaks, block: int) -> WhyVerdict:
    """Return why the block of that index has its verdict."""
    held, kind = leaks.held, LeakKind(int(leaks.verdict[block]))
    holders = tuple(holders_of(process, held, block))
    others = [each for each in holders if each.block != block]
    because = _because(leaks, block, kind, bool(others))
    head = int(leaks.head[block])
    hangs = because is Because.ONLY_LOST_BLOCKS or (
        because in (Because.SIGNAL_STACK, Because.INTERIOR_POINTER) and head != block
    )
    is_held = because in (Because.POINTER_TO_START, Because.HEURISTIC, Because.INTERIOR_POINTER, Because.SIGNAL_STACK)
    return WhyVerdict(
        int(held.blocks.start[block]),
        int(held.blocks.size[block]),
        kind,
        because,
        holders,
        int(held.blocks.start[head]) if hangs else None,
        int(leaks.entry_offset[head]) if because is Because.INTERIOR_POINTER else None,
        _encoded(leaks, block) if because is Because.ENCODED_POINTER else None,
        tuple(each.heuristic for each in leaks.reasons) if because is Because.HEURISTIC else (),
        others[0] if is_held and len(others) == 1 else None,
        block in held.thread_vectors,
    )


def _because(leaks: Leaks, block: int, kind: LeakKind, has_holders: bool) -> Because:
    if kind is LeakKind.DEFINITELY_LOST:
        return Because.FIRST_OF_CYCLE if has_holders else Because.NOTHING_POINTS_TO_IT
    if kind is LeakKind.INDIRECTLY_LOST:
        return Because.ONLY_LOST_BLOCKS
    if leaks.by_encoding[block]:
        return Because.ENCODED_POINTER
    if kind is LeakKind.POSSIBLY_LOST:
        is_stack = int(leaks.head[block]) in leaks.signal_stacks
        return Because.SIGNAL_STACK if is_stack else Because.INTERIOR_POINTER
    if kind is LeakKind.UNDECIDED:
        return Because.MISSING_MEMORY
    if leaks.by_remains[block]:
        return Because.UNWRITTEN_MEMORY
    return Because.HEURISTIC if leaks.by_heuristic[block] else Because.POINTER_TO_START


def _encoded(leaks: Leaks, block: int) -> EncodedWord | None:
    for each in leaks.encoded:
        rows = np.flatnonzero(each.target == block)
        if len(rows):
            return EncodedWord(int(each.place[rows[0]]), each.key, len(each.place))
    return None
