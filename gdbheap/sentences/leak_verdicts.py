"""Why a block is lost or not, for people."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.leaks.why import Because, EncodedWord, WhyVerdict
from gdbheap.analysis.pointers.roots import STACK
from gdbheap.analysis.pointers.who_points import BLOCK
from gdbheap.counted import counted


def verdict_lines(why: WhyVerdict) -> Iterator[str]:
    """Yield the verdict, what it rests on, and what makes it doubtful."""
    yield f"the block at {why.start:#x} (chunk of {why.size:#x}) is {why.kind.label.replace('_', ' ')}"
    yield _because(why)
    if why.only_holder is not None:
        where = {BLOCK: "in a buffer", STACK: "in a variable"}.get(why.only_holder.kind)
        doubt = f": if that word was left {where} that was never initialised, the block is lost" if where else ""
        yield f"only one word holds it{doubt}"
    if why.is_thread_vector:
        yield (
            "it is the dtv that libc has allocated for a thread, its pointers to thread-local storage; of a thread "
            "that has ended, libc keeps it with the stack for the next one: not a leak of the program's"
        )


def _because(why: WhyVerdict) -> str:
    by_because = {
        Because.NOTHING_POINTS_TO_IT: "because no root and no other block in use points into it",
        Because.FIRST_OF_CYCLE: "because only blocks reachable from it point to it: it leads a cycle, and nothing "
        "outside leads to them",
        Because.ONLY_LOST_BLOCKS: "because only lost blocks point to it; it is reachable from the definitely lost one "
        f"at {why.via or 0:#x}",
        Because.ENCODED_POINTER: _encoded(why.word),
        Because.INTERIOR_POINTER: _interior(why),
        Because.SIGNAL_STACK: _signal_stack(why.via),
        Because.MISSING_MEMORY: "because nothing that could be read leads to it: it is lost, unless memory that could "
        "not be read holds it",
        Because.UNWRITTEN_MEMORY: "but every path to it from a root goes through a block that begins with what "
        "malloc's free lists left there: the program may never have written to that block, and if the word in it is as "
        "old, the block is lost (Valgrind, which sees every write, would know)",
        Because.HEURISTIC: f"because a heuristic ({' or '.join(why.heuristics)}) takes a pointer into the middle of a "
        "block, on the path to it, as one to its start",
        Because.POINTER_TO_START: "because pointers to starts of blocks lead to it from a root",
    }
    return by_because[why.because]


def how_decoded(key: int | None) -> str:
    """Return how words that are encoded so become pointers: to be put behind "the word", or "the words"."""
    return "with the upper bits cleared, where no address has any" if key is None else f"XORed with {key:#x}"


def _encoded(word: EncodedWord | None) -> str:
    if word is None:
        return "because it is reachable only from blocks that only words lead to which look like encoded pointers"
    return (
        f"because only a word that looks like an encoded pointer leads to it: the one at {word.place:#x} "
        f"{how_decoded(word.key)} ({counted(word.alike, 'word')} of the kind in all)"
    )


def _interior(why: WhyVerdict) -> str:
    where = "it" if why.via is None else f"the block at {why.via:#x}, from which it is reachable"
    return (
        f"because what is held points to the inside of {where} (+{why.offset or 0:#x}), and nothing that is held to "
        "its start: the pointer may be there by chance"
    )


def _signal_stack(via: int | None) -> str:
    if via is None:
        return (
            "because nothing points to it, but it is as large as a signal's stack (sigaltstack), of which the kernel "
            "alone would know"
        )
    return f"because it is reachable only from the block at {via:#x}, which is as large as a signal's stack"
