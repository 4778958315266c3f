"""What calls that are foretold come to: the steps of their path, short for a table and long for an explanation, and
what the prediction rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gdbheap.analysis.prediction.outcome import (
    Assumed,
    CannotBeTold,
    DiesWith,
    HeapBroken,
    HitsUnmapped,
    InsideCall,
    NeverEnds,
    NotCompared,
    NothingMore,
    ParametersUnknown,
    ReleaseNotCertain,
    ReturnsNull,
    Source,
    ThreadUnknown,
)
from gdbheap.model.machine import Step
from gdbheap.process.fact import Fact
from gdbheap.sentences.facts.phrases import Phrases
from gdbheap.sentences.facts.said import said

# mirrors NSMALLBINS
_FIRST_LARGE = 64

# Every step that a call can take, and what it says in full. {0}, {1}, ... are the step's numbers, {bin} is the bin's
# name.
STEPS = {
    "tcache": "the thread's tcache[{0}] has a block of this size: its first, {1:#x}, is taken",
    "fastbin": "no tcache block fits; fastbin[{0}] has one: chunk {1:#x} is taken, and others of it fill the tcache",
    "small bin": "small[{0}] has chunks of exactly this size: the oldest, {1:#x}, is taken, and others fill the tcache",
    "last_remainder": "the only unsorted chunk, {0:#x}, is what the last split left: it is split again",
    "unsorted": "the unsorted chunk {0:#x} has exactly this size",
    "unsorted to tcache": "the unsorted chunk {0:#x} has exactly this size: it goes to the tcache first, and the "
    "last that does is taken",
    "bin": "the best fit is chunk {1:#x} of {bin}; {2:#x} bytes of it are left over (0: it is taken whole)",
    "top": "cut from top, at {0:#x}",
    "brk": "top is too small: the break goes up by {0:#x}",
    "mmap for the main heap": "the break cannot move: {0:#x} bytes are mapped for the main heap",
    "grow heap": "top is too small: the arena's heap grows by {0:#x}",
    "new heap": "the arena's heap is full: it gets another one at {0:#x}",
    "mmap": "at or above the mmap threshold, and top is too small: a mapping of {0:#x} bytes of its own",
    "munmap": "the chunk has a mapping of its own: its {0:#x} bytes are unmapped",
    "threshold": "the dynamic mmap threshold rises to {0:#x}",
    "new tcache": "the thread gets a tcache, at {0:#x}",
    "new arena": "the thread gets a new arena, at {0:#x}",
    "reused arena": "there are as many arenas as there may be: the thread shares the one at {0:#x}",
    "consolidate": "all fastbin chunks are merged into their neighbours (malloc_consolidate)",
    "to tcache": "into the thread's tcache[{0}], which has room",
    "to fastbin": "no room in the tcache: into fastbin[{0}]",
    "to top": "it touches top, which now begins at {0:#x}",
    "to bin": "merged with its free neighbours, into {bin}",
    "trim": "top is larger than it need be: {0:#x} bytes go back to the kernel",
    "delete heap": "the heap at {0:#x} is empty and goes away",
    "as it is": "the block is large enough, and not too large: it stays as it is",
    "in place": "the chunk is large enough: it stays at {0:#x}",
    "into top": "top follows: the chunk grows into it",
    "into next": "the free chunk behind, {0:#x}, is taken in",
    "copy": "a new block is made, the data copied and the old block freed",
    "same pages": "the mapping needs as many pages as before",
    "mremap": "the mapping is resized to {0:#x} bytes (mremap)",
    "invalid alignment": "the alignment is none that this function accepts",
    "too large": "the request is larger than PTRDIFF_MAX",
}
# What a step says that takes something for granted.
ASSUMPTIONS = {
    "default of global_max_fast": "global_max_fast, which only a symbol tells, is taken to be its default, {0:#x}",
}
_SHORT = {
    "tcache": "tcache[{0}]",
    "fastbin": "fastbin[{0}]",
    "small bin": "small[{0}]",
    "last_remainder": "split of last_remainder at {0:#x}",
    "unsorted": "unsorted chunk {0:#x}",
    "unsorted to tcache": "unsorted, by way of the tcache",
    "bin": "{bin}: chunk {1:#x}",
    "top": "top",
    "mmap": "mmap of {0:#x}",
    "as it is": "as it is",
    "in place": "in place",
    "into top": "in place, into top",
    "into next": "in place, into the next chunk",
    "same pages": "in place",
    "mremap": "mremap to {0:#x}",
}
_SHORT_FREE = {
    "to tcache": "to tcache[{0}]",
    "to fastbin": "to fastbin[{0}]",
    "to top": "to top",
    "to bin": "to {bin}",
    "munmap": "munmap of {0:#x}",
}
_GROWTH = {
    "brk": "brk + {0:#x}",
    "mmap for the main heap": "a mapping of {0:#x} for the main heap",
    "grow heap": "the heap + {0:#x}",
    "new heap": "a new heap at {0:#x}",
}


def explain(steps: Iterable[Step]) -> list[str]:
    """Return a sentence for each step."""
    return [_filled({**STEPS, **ASSUMPTIONS}, step) for step in steps]


def source_text(source: Source | None) -> str:
    """Return where a block comes from or goes to; "" where nothing tells."""
    if source is None:
        return ""
    step = source.step
    text = _filled({**_SHORT, **_SHORT_FREE}, step)
    if step[0] == "bin" and step[3]:
        text += ", split"
    text += "".join(f", after {_filled(_GROWTH, each)}" for each in source.growth)
    return f"copy to {text}" if source.copied else text


def _behind(detail: Fact | None) -> str:
    return "" if detail is None else f" ({said(detail)})"


def _reason(why: Fact | None) -> str:
    return "not found" if why is None else said(why)


def _filled(table: Mapping[str, str], step: Step) -> str:
    numbers = step[1:]
    name = _bin_name(int(numbers[0])) if step[0] in ("bin", "to bin") else ""
    return table[str(step[0])].format(*numbers, bin=name)


def _bin_name(index: int) -> str:
    """Return what malloc calls the bin of this index, as the lists are called everywhere: "small[5]"."""
    return f"{'unsorted' if index == 1 else 'small' if index < _FIRST_LARGE else 'large'}[{index}]"


def _inside(fact: InsideCall) -> str:
    who = (
        "a thread holds an arena's mutex"
        if fact.thread is None
        else f"thread {fact.thread} is inside {fact.function}()"
    )
    return f"{who}: the heap may be in the middle of a change"


def _assumed(fact: Assumed) -> str:
    what = "it is assumed that the kernel grants the memory" if fact.step is None else explain([fact.step])[0]
    return f"{fact.call}: {what}"


def _release(fact: ReleaseNotCertain) -> str:
    *others, last = fact.names
    if not others:
        return f"glibc release unknown: {last} is a guess, the only release the model knows with this layout"
    unknown = f"the build of glibc {fact.version} is unknown" if fact.version else "glibc release unknown"
    return f"{unknown}: predictions are shown only where {', '.join(others)} and {last} agree"


def _not_compared(fact: NotCompared) -> str:
    if fact.version is None:
        return "this malloc was built without tcache: that is modelled, but was not compared call by call"
    return f"glibc {fact.version} is modelled from its changes: it was not compared call by call"


PHRASES: Phrases = {
    DiesWith: lambda fact: f"assertion failed: {fact.text}" if fact.assertion else fact.text,
    ReturnsNull: "NULL: {errno}",
    HitsUnmapped: lambda fact: f"SIGSEGV at {fact.address:#x}",
    CannotBeTold: lambda fact: f"cannot be told: {fact.why or 'the releases of glibc that this may be differ here'}",
    NeverEnds: "would not end: {where}",
    InsideCall: _inside,
    Assumed: _assumed,
    NothingMore: "what would follow is not predicted",
    ReleaseNotCertain: _release,
    NotCompared: _not_compared,
    HeapBroken: lambda fact: f"from a broken heap: {fact.address:#x}: {said(fact.message)}{_behind(fact.detail)}",
    ParametersUnknown: lambda fact: f"without malloc's parameters (mp_): {_reason(fact.why)}",
    ThreadUnknown: lambda fact: f"without the thread's tcache and arena: {_reason(fact.why)}",
}
