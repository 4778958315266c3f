"""Where the program went that it should not have gone, and how it came there."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InChunk, InMapping
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class InHeap(Fact):
    """It is in a chunk of the heap."""

    kind = "heap"
    chunk: InChunk


@dataclass(frozen=True)
class InNamedMapping(Fact):
    """It is in a mapping ("": anonymous)."""

    kind = "named_mapping"
    path: str


@dataclass(frozen=True)
class ByCall(Fact):
    """By a call through a function pointer."""

    kind = "by_call"


@dataclass(frozen=True)
class ByTailCall(Fact):
    """The call there leads to `function`: that, or what it called, jumped on."""

    kind = "by_tail_call"
    address: Hex
    function: NamedAddress | None


@dataclass(frozen=True)
class ByReturn(Fact):
    """By a return to an address that was overwritten."""

    kind = "by_return"


@dataclass(frozen=True)
class ByRunningOn(Fact):
    """Instruction by instruction."""

    kind = "by_running_on"


@dataclass(frozen=True)
class ByJumpOrReturn(Fact):
    """By a jump (a tail call) of a function that was called, or by a return to an address that was overwritten."""

    kind = "by_jump_or_return"


@dataclass(frozen=True)
class NotKnownHow(Fact):
    """Nothing tells."""

    kind = "not_known"


@dataclass(frozen=True)
class RanOn(Fact):
    """The program ran past the end of its code, to `address`, in `place`."""

    kind = "ran_on"
    address: Hex
    place: Fact


@dataclass(frozen=True)
class JumpedToNull(Fact):
    """The program jumped to a small number, 0 for NULL."""

    kind = "jumped_to_null"
    offset: int
    how: Fact


@dataclass(frozen=True)
class JumpedInto(Fact):
    """The program jumped into what may not be executed."""

    kind = "jumped_into"
    place: Fact
    how: Fact


@dataclass(frozen=True)
class JumpedTo(Fact):
    """The program jumped to where nothing is mapped, or into the kernel's half."""

    kind = "jumped_to"
    address: Hex
    place: Fact
    how: Fact


@dataclass(frozen=True)
class JumpedIntoVsyscall(Fact):
    """The program jumped into the vsyscall page, and not to an entry of it."""

    kind = "jumped_into_vsyscall"


@dataclass(frozen=True)
class NotCanonicalTarget(Fact):
    """A call or jump to what can be no address."""

    kind = "not_canonical_target"
    target: Hex


@dataclass(frozen=True)
class ReturnedWrongly(Fact):
    """A function returned to an address that was written over."""

    kind = "returned_wrongly"


@dataclass(frozen=True)
class TextOverStack(Fact):
    """The return address is text."""

    kind = "text_over_stack"
    text: str


@dataclass(frozen=True)
class NoVtable(Fact):
    """A virtual call on an object without a vtable; `is_freed`: it lies in a block that has been freed."""

    kind = "no_vtable"
    is_freed: bool


@dataclass(frozen=True)
class ObjectHolds(Fact):
    """`name` is `object`, and the word there is `word`."""

    kind = "object"
    name: str
    object: Hex
    word: Hex


@dataclass(frozen=True)
class ObjectIsIn(Fact):
    """The chunk that the object is in."""

    kind = "object_chunk"
    chunk: InChunk


@dataclass(frozen=True)
class ExecutableBefore(Fact):
    """What lies before the address may be executed."""

    kind = "executable_before"
    mapping: InMapping


@dataclass(frozen=True)
class ReturnsTo(Fact):
    """The return address, in a register ("": at the stack pointer)."""

    kind = "returns_to"
    address: Hex | None
    symbol: NamedAddress | None
    register: str = ""


@dataclass(frozen=True)
class TheCall(Fact):
    """The call before the return address."""

    kind = "call"
    text: str


@dataclass(frozen=True)
class CallLeadsElsewhere(Fact):
    """That call leads to another address than the one that failed."""

    kind = "call_leads_elsewhere"


@dataclass(frozen=True)
class TargetReadFrom(Fact):
    """The word of memory that held the target, and what is there (None: nothing more is known)."""

    kind = "target_slot"
    slot: Hex
    place: Fact | None


@dataclass(frozen=True)
class PoppedFrom(Fact):
    """The word just below the stack pointer is the address that was returned to."""

    kind = "popped_from"
    slot: Hex


@dataclass(frozen=True)
class ReturnRegisterHolds(Fact):
    """The register that a function returns by still has the address that was returned to."""

    kind = "return_register_holds"
    register: str
    value: Hex


@dataclass(frozen=True)
class Unloaded(Fact):
    """What was there belonged to a library (`library` "" not known) that has been unloaded; `role`: that is concluded
    from what libc called it as ("": from what ld.so has left)."""

    kind = "unloaded"
    library: str
    role: str


@dataclass(frozen=True)
class CalledAs(Fact):
    """As what libc calls the address: "pthread_key_destructor", "thread_local_destructor", "exit_function",
    "thread_function"."""

    kind = "called_as"
    role: str


@dataclass(frozen=True)
class LinkMapLeft(Fact):
    """What ld.so kept of the library is left in a freed block at `place`: it was at `start` to `end`."""

    kind = "link_map_left"
    place: Hex
    start: Hex
    end: Hex
