"""Why a program gave itself up."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InChunk
from gdbheap.glibc.invariant import Invariant
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.fault import Message
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class StackCheckFailed(Fact):
    """A stack check failed; `canary`: by what libc said."""

    kind = "stack_check_failed"
    canary: bool


@dataclass(frozen=True)
class AssertionFailed(Fact):
    """An assertion failed: `text` ("": it was written to standard error alone); `of_cxx_library`: one of its own."""

    kind = "assertion_failed"
    text: str
    of_cxx_library: bool = False


@dataclass(frozen=True)
class GaveItselfUp(Fact):
    """abort() was called, and the stack that would tell why cannot be unwound."""

    kind = "gave_itself_up"


@dataclass(frozen=True)
class CalledAbort(Fact):
    """The program called abort(), or (`by_signal`) sent itself SIGABRT without it."""

    kind = "called_abort"
    by_signal: bool = False


@dataclass(frozen=True)
class LibraryGaveUp(Fact):
    """The C library gave up."""

    kind = "library_gave_up"
    message: str


@dataclass(frozen=True)
class CheckedWriteOverflowed(Fact):
    """A checked function was to write past its destination's end."""

    kind = "checked_write_overflowed"


@dataclass(frozen=True)
class CheckedCallRefused(Fact):
    """A checked function refused what it was given: "percent_n", "longjmp" or "fd_set"."""

    kind = "checked_call_refused"
    check: str


@dataclass(frozen=True)
class AbortMessageIs(Fact):
    """What __abort_msg holds, or (`on_stack`) the dying call's stack; `older`: of an abort that the program lived
    through."""

    kind = "abort_message"
    message: str
    on_stack: bool = False
    older: bool = False


@dataclass(frozen=True)
class MutexAt(Fact):
    """Where the mutex is: a symbol's, or `offset` bytes into a chunk."""

    kind = "mutex"
    address: Hex
    symbol: NamedAddress | None
    offset: int | None
    chunk: InChunk | None
    is_freed: bool


@dataclass(frozen=True)
class HeapFoundCorrupt(Fact):
    """malloc found its heap corrupt, and why is not known."""

    kind = "heap_found_corrupt"
    message: str


@dataclass(frozen=True)
class AbortExplained(Fact):
    """malloc's message, and what brought it."""

    kind = "abort_explained"
    message: str
    cause: Fact


@dataclass(frozen=True)
class WrongPointerUnknown(Fact):
    """The pointer was wrong, and which it was is not known; `is_sound`: the heap itself is (else nothing is known of
    it, and the header in front of the pointer may have been overwritten)."""

    kind = "wrong_pointer_unknown"
    message: str
    is_sound: bool


@dataclass(frozen=True)
class MallocsCheck(Fact):
    """A check of malloc's, by the `text` that it aborts with; or ("") an assertion, by its `expression`, and by the
    entry of the table of assertions that it is ("": none, it is not known)."""

    kind = "mallocs_check"
    text: str = ""
    expression: str = ""
    entry: str = ""


@dataclass(frozen=True)
class CheckImplies(Fact):
    """What a check's failure tells of the program."""

    kind = "check_implies"
    check: MallocsCheck


@dataclass(frozen=True)
class CheckIs(Fact):
    """The check that failed: in which function, and its condition."""

    kind = "check"
    function: str
    condition: MallocsCheck


@dataclass(frozen=True)
class Means(Fact):
    """What the check's failure means."""

    kind = "means"
    meaning: Fact


@dataclass(frozen=True)
class ChunkThatFailed(Fact):
    """The chunk that failed the check (None: not known), what the caller passed (None: nothing, or not known), and how
    they were found."""

    kind = "chunk_that_failed"
    chunk: Hex | None
    pointer: Hex | None
    how: Fact


@dataclass(frozen=True)
class PointerNotFound(Fact):
    """What the caller passed is nowhere left."""

    kind = "pointer_not_found"


@dataclass(frozen=True)
class HeapSound(Fact):
    """`heap check` finds no fault in the heap."""

    kind = "heap_sound"


@dataclass(frozen=True)
class NotAsyncSignalSafe(Fact):
    """malloc and free are not async-signal-safe; `so_unexplained`: what is broken is no evidence of anything else."""

    kind = "not_async_signal_safe"
    so_unexplained: bool


@dataclass(frozen=True)
class EnteredAgain(Fact):
    """A signal handler ("" its name is not known) interrupted `interrupted` (in a call of `call`), in frame `frame`,
    and called `function`, in frame `inner_frame`."""

    kind = "entered_again"
    handler: str
    interrupted: str
    call: str
    frame: int
    function: str
    inner_frame: int


@dataclass(frozen=True)
class Reentered(Fact):
    """malloc died in a call that was entered so: its heap may have been between two states."""

    kind = "reentered"
    entry: EnteredAgain


@dataclass(frozen=True)
class SignalFrame(Fact):
    """The frame where the signal came."""

    kind = "signal_frame"
    frame: int


@dataclass(frozen=True)
class EnteredBefore(Fact):
    """A signal handler ("" not known) had interrupted `function` before ("": none that is seen), and called `called`
    ("": not known)."""

    kind = "entered_before"
    handler: str
    function: str
    called: str


@dataclass(frozen=True)
class HandlerFrameLeft(Fact):
    """The frame that the kernel made for a handler is still at `address`, `below` bytes below the stack pointer: the
    signal came at `program_counter`, in `function`."""

    kind = "handler_frame_left"
    address: Hex
    below: int
    program_counter: Hex
    function: str


@dataclass(frozen=True)
class ReturnsLeft(Fact):
    """Below that frame lie return addresses in the handler ("" its name is not known) and in `called`."""

    kind = "returns_left"
    handler: str
    called: str


@dataclass(frozen=True)
class GivenNoBlock(Fact):
    """`function` was given a pointer that is the start of no block; `pointer` None: its value is not known, or told
    elsewhere; `what` it is instead (None: told elsewhere). `perhaps`: the pointer only fits."""

    kind = "given_no_block"
    function: str
    pointer: Hex | None
    what: Fact | None
    perhaps: bool = False


@dataclass(frozen=True)
class GivenUnreadable(Fact):
    """`function` was given a pointer where no block can be; `canonical`: it could be an address."""

    kind = "given_unreadable"
    function: str
    pointer: Hex
    canonical: bool


@dataclass(frozen=True)
class ReadsSizeBefore(Fact):
    """An operand reads the size field in front of the pointer."""

    kind = "reads_size_before"
    operand: str
    pointer: Hex


@dataclass(frozen=True)
class PointerIs(Fact):
    """What a pointer is."""

    kind = "pointer_is"
    pointer: Hex
    what: Fact


@dataclass(frozen=True)
class WasPassed(Fact):
    """The pointer was passed: how that is known."""

    kind = "was_passed"
    pointer: Hex
    how: Fact


@dataclass(frozen=True)
class TakenForSize(Fact):
    """The word before the pointer is taken for a size field with NON_MAIN_ARENA set, so that a heap should begin at
    `heap`."""

    kind = "taken_for_size"
    word: Hex
    heap: Hex


@dataclass(frozen=True)
class CrashedOnCorruptHeap(Fact):
    """`function` crashed on a corrupt heap: `field` ("": see `message`) at `where` is overwritten."""

    kind = "crashed_on_corrupt_heap"
    function: str
    field: str
    message: Message
    where: Hex


@dataclass(frozen=True)
class ProbablyBy(Fact):
    """Who probably wrote it."""

    kind = "probably_by"
    writer: Fact


@dataclass(frozen=True)
class FieldIsWrong(Fact):
    """A field that holds what it must not (None: not one word); "": it is not to be seen any more, and `why` says
    all."""

    kind = "wrong_field"
    field: str
    where: Hex
    held: Hex | None
    must: Fact
    why: Fact | None


@dataclass(frozen=True)
class FoundBroken(Fact):
    """What `heap check` finds broken: which invariant, what it is called, at which chunk (or arena, ...), how that
    shows."""

    kind = "finding"
    invariant: Invariant
    message: Message
    address: Hex
    detail: FieldIsWrong
