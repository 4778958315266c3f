"""A call of malloc's that a signal handler had interrupted before the thread died: the handler has returned, but what
the kernel left on the stack for it may still be there, and what the handler itself has called below it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from gdbheap.analysis.call_stacks.in_progress_call import parts
from gdbheap.analysis.call_stacks.whose_code import is_call_of_malloc, plain_name
from gdbheap.analysis.facts.aborts import EnteredBefore, HandlerFrameLeft, NotAsyncSignalSafe, ReturnsLeft
from gdbheap.analysis.invariants.calls import entered_again, public_name
from gdbheap.analysis.malloc_aborts.dying_call import dying_part
from gdbheap.lazy import dataclass
from gdbheap.machine.code import LeftFrame
from gdbheap.process.fact import Fact
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process

# A handler and its call of malloc have left their return addresses so near, and so many are looked at.
_REACH = 0x400
_MOST_CALLS = 8
_MOST_FRAMES = 8


class CodeSource(Protocol):
    """What tells whose code an address is (session/target.py says what each returns)."""

    @property
    def process(self) -> Process: ...

    def frame_at(self, address: int) -> Frame: ...


@dataclass(frozen=True)
class InterruptedBefore:
    """`handler` is the handler of a signal ("" not known), `called` the function of malloc's that it has called (""
    not known whether any). `left` is the kernel's frame for it, so many bytes `below` the stack pointer, and
    `function` the one of malloc's that it interrupted; where the thread has died in the handler's own call, which
    interrupted no other, these are None, 0 and ""."""

    handler: str
    called: str
    function: str = ""
    left: LeftFrame | None = None
    below: int = 0

    @property
    def has_entered_again(self) -> bool:
        """Whether the handler has interrupted malloc, and called it."""
        return bool(self.function and self.called)


def interrupted_before(source: CodeSource, frames: Sequence[Frame]) -> InterruptedBefore | None:
    """Return what is left of a signal that came within malloc, to a thread that died in it (`frames` are all of its
    frames); else that it died in a handler's call of malloc. None where there is neither, and where malloc is still
    entered twice."""
    frames = dying_part(frames)
    first, *outer = parts(frames)
    calls = [each for each in first if is_call_of_malloc(each)]
    if not calls or entered_again(frames) is not None:
        return None
    code, pointer = source.process.machine.code, frames[0].stack_pointer
    for left in islice(code.left_frames(source.process, pointer), _MOST_FRAMES):
        interrupted = source.frame_at(left.program_counter)
        if is_call_of_malloc(interrupted):
            handler, called = _calls(source, left.address)
            name = public_name(plain_name(interrupted))
            return InterruptedBefore(handler, called, name, left, pointer - left.address)
    if outer:
        return InterruptedBefore(plain_name(first[-1]), public_name(plain_name(calls[-1])))
    return None


def _calls(source: CodeSource, address: int) -> tuple[str, str]:
    """Return the handler and the function of malloc's that it called, by the return addresses that they have left
    below the address; "" for both where malloc's is not found."""
    handler = ""
    places = source.process.machine.code.return_addresses(source.process, address, _REACH)
    for index, place in enumerate(islice(places, _MOST_CALLS)):
        # The call may be its function's last instruction.
        frame = source.frame_at(place - 1)
        if is_call_of_malloc(frame):
            return handler, public_name(plain_name(frame))
        handler = handler or (plain_name(frame) if index == 0 else "")
    # It may have called nothing at all, and what lies there may be an earlier handler's.
    return "", ""


def how_entered_before(found: InterruptedBefore) -> EnteredBefore:
    """Return what probably happened."""
    return EnteredBefore(found.handler, found.function, found.called)


def facts_before(found: InterruptedBefore) -> tuple[Fact, ...]:
    """Return what that rests on."""
    facts: list[Fact] = []
    if found.left is not None:
        facts.append(HandlerFrameLeft(found.left.address, found.below, found.left.program_counter, found.function))
        if found.called:
            facts.append(ReturnsLeft(found.handler, found.called))
    return (*facts, NotAsyncSignalSafe(False))
