"""What a call that is foretold comes to: a block from somewhere, a failure, or something that cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gdbheap.analysis.prediction.calls import PredictedCall
from gdbheap.errors import HeapError
from gdbheap.lazy import dataclass
from gdbheap.model.machine import Step
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.fault import Message

# The steps that tell where a block comes from, and where one that is freed goes to.
TAKEN = frozenset(
    (
        *("tcache", "fastbin", "small bin", "last_remainder", "unsorted", "unsorted to tcache", "bin", "top", "mmap"),
        *("as it is", "in place", "into top", "into next", "same pages", "mremap"),
    )
)
FREED = frozenset(("to tcache", "to fastbin", "to top", "to bin", "munmap"))
# Those by which top grows first.
GROWTH = frozenset(("brk", "mmap for the main heap", "grow heap", "new heap"))
# Those that take something for granted.
ASSUMED = frozenset(("default of global_max_fast",))
# Those that need the kernel to grant memory.
_FROM_KERNEL = GROWTH | {"new arena", "mmap", "mremap"}


@dataclass(frozen=True)
class Source:
    """The step that tells where a block comes from or goes to, how top grew before, and whether the data was copied."""

    step: Step
    growth: tuple[Step, ...] = ()
    copied: bool = False


@dataclass(frozen=True)
class Prediction:
    """What a call does: `result` is what it returns (None: nothing, or it does not return, or what it returns is not
    known), `source` where the block comes from or goes to, `outcome` what it fails or aborts with, or why nothing is
    known (None for none of these), `steps` the way there. `last`: no more can be told behind it."""

    call: PredictedCall
    result: int | None
    source: Source | None
    outcome: Fact | None
    steps: tuple[Step, ...]
    last: bool = False


def source_of(steps: Sequence[Step], freeing: bool) -> Source | None:
    """Return where a block comes from, or (`freeing`) goes to; None where no step tells."""
    found = [step for step in steps if step[0] in (FREED if freeing else TAKEN)]
    if not found:
        return None
    growth = tuple(step for step in steps if step[0] in GROWTH) if found[-1][0] == "top" else ()
    return Source(found[-1], growth, any(step[0] == "copy" for step in steps))


def asks_kernel(steps: Iterable[Step]) -> bool:
    """Return whether the steps need the kernel to grant memory."""
    return any(step[0] in _FROM_KERNEL for step in steps)


@dataclass(frozen=True)
class DiesWith(Fact):
    """malloc aborts with this text, or (`assertion`) because this expression does not hold."""

    kind = "dies_with"
    text: str
    assertion: bool


@dataclass(frozen=True)
class ReturnsNull(Fact):
    """It returns NULL, with this errno."""

    kind = "returns_null"
    errno: str


@dataclass(frozen=True)
class HitsUnmapped(Fact):
    """It touches memory that is not there."""

    kind = "faults"
    address: int


@dataclass(frozen=True)
class CannotBeTold(Fact):
    """What it does is not known, and why ("": releases differ)."""

    kind = "cannot_be_told"
    why: str = ""


@dataclass(frozen=True)
class NeverEnds(Fact):
    """It would go round for ever, and where."""

    kind = "never_ends"
    where: str


@dataclass(frozen=True)
class InsideCall(Fact):
    """A thread is inside a call of malloc's ("": one of them holds a mutex)."""

    kind = "inside_call"
    thread: int | None = None
    function: str = ""


@dataclass(frozen=True)
class Assumed(Fact):
    """What a call's path takes for granted: a step of it, or (None) that the kernel grants the memory."""

    kind = "assumed"
    call: str
    step: Step | None


@dataclass(frozen=True)
class NothingMore(Fact):
    """What would follow is not predicted."""

    kind = "nothing_more"


@dataclass(frozen=True)
class ReleaseNotCertain(Fact):
    """The releases that this one may be; `version` is what libc says ("": nothing)."""

    kind = "release_not_certain"
    version: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class NotCompared(Fact):
    """The release is modelled from its changes (None: a malloc without tcache is): it was not compared call by call."""

    kind = "not_compared"
    version: str | None


@dataclass(frozen=True)
class HeapBroken(Fact):
    """The heap is broken: what was found at an address."""

    kind = "heap_broken"
    address: Hex
    message: Message
    detail: Fact | None


@dataclass(frozen=True)
class ParametersUnknown(Fact):
    """mp_ is not known; `why`, as far as that was told."""

    kind = "parameters_unknown"
    why: Fact | None


@dataclass(frozen=True)
class ThreadUnknown(Fact):
    """The tcache and arena of the thread that would call are not known."""

    kind = "thread_unknown"
    why: Fact | None


class CannotPredict(Exception):
    """Nothing can be predicted, and why; `error` is what that is to the user."""

    def __init__(self, why: Fact, error: type[HeapError] = HeapError) -> None:
        super().__init__(why.kind)
        self.why = why
        self.error = error
