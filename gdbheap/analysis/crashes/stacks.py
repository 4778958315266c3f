"""Stacks that are used up: the first thread's at its limit, a thread's at its guard, a signal handler's alternate
one; and who recursed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.places import in_mapping
from gdbheap.analysis.facts.stacks import (
    AlternateStack,
    BelowAlternateStack,
    BelowStackEnd,
    BelowUsedStack,
    BeyondStackLimit,
    HandlerStackUsedUp,
    Recursion,
    StackAtLimit,
    StackIs,
    StackLimit,
    ThreadStackUsedUp,
    WildStackPointer,
)
from gdbheap.analysis.facts.stop import StackPointerIs, TheInstruction
from gdbheap.process.address_space import VMA
from gdbheap.process.fact import Fact
from gdbheap.process.threads.thread_stacks import ThreadStack, find_stacks, in_guard

# The kernel keeps this free below a stack (stack_guard_gap, 256 pages); a frame larger than the rest of the stack lands
# as far below.
_NEAR_STACK = 64 << 20
_GUARD = 1 << 20
# What is farther below a stack is no frame of a function's, but a stack pointer gone wrong. (In 32 bits the half of all
# addresses: no object is larger.)
_LARGEST_FRAME = 1 << 36
# mirrors the kernel before 5.0 (do_user_addr_fault: enter may touch 64 KiB below the stack pointer)
_FARTHEST_BELOW = (1 << 16) + 256
_NEXT = ("bt 20", "bt -5")


def stack_overflows(crash: CrashContext, address: int) -> Iterator[Verdict]:
    """Yield a stack overflow: the address is at or below the end of the thread's stack, and near its stack pointer; or
    in a frame that begins on the stack and ends far below it."""
    found = tuple(_beside_stack(crash, address))
    yield from found or _in_large_frame(crash, address)


def _in_large_frame(crash: CrashContext, address: int) -> Iterator[Verdict]:
    """Yield that the innermost function's frame is larger than the stack is: it begins on the stack, as its caller's
    or its frame pointer tells, and ends below, where other mappings may be between."""
    pointer, frames = crash.stop.thread.stack_pointer, crash.stop.frames
    base = crash.stop.thread.registers.get(crash.process.machine.frame_pointer, 0)
    caller = next((each.stack_pointer for each in frames if each.stack_pointer != pointer), base)
    stack = crash.vma(caller)
    largest = min(_LARGEST_FRAME, crash.process.machine.mask >> 1)
    if stack is None or not stack.writable or not pointer < stack.start <= pointer + largest:
        return
    if not pointer - _FARTHEST_BELOW <= address < stack.start or alternate_stack(crash) is not None:
        return
    own = own_stack(crash)
    if own is not None and own.start <= caller < own.end:
        yield _thread_overflow(crash, address, own.guard_end)
    elif stack.path == "[stack]" or _is_main_stack(crash, stack):
        yield replace(_main_overflow(crash, address, stack), confidence=LIKELY)


def _beside_stack(crash: CrashContext, address: int) -> Iterator[Verdict]:
    pointer = crash.stop.thread.stack_pointer
    # Below the stack pointer no code reaches further than a frame's first page or a probe; what does is an index or a
    # pointer gone wrong.
    if not -_FARTHEST_BELOW <= address - pointer <= _NEAR_STACK:
        return
    alternate = alternate_stack(crash)
    if alternate is not None:
        if alternate[0] - _GUARD <= address < alternate[0] and pointer < alternate[0] + crash.page_size:
            yield _handler_overflow(crash, address, alternate)
        return
    own = own_stack(crash)
    near = own is not None and own.guard_end - _NEAR_STACK <= pointer and address < own.guard_end
    if own is not None and near and _was_called_on(crash, own):
        yield _thread_overflow(crash, address, own.guard_end)
        return
    stack = _stack_of(crash, pointer)
    if stack is None or (address >= stack.start + crash.page_size and not is_guard_inside(crash, address)):
        return
    if stack.path == "[stack]" or _is_main_stack(crash, stack):
        yield _main_overflow(crash, address, stack)
    elif is_guard_inside(crash, address) or _is_just_below(crash, address, stack):
        # The first thread's stack is told by its mapping; a thread whose own stack is known was on another one.
        yield _thread_overflow(crash, address, stack.start, own is None and not _is_first(crash))


def wild_stack_pointers(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that the stack pointer, by which the instruction went to memory, is in no mapping at all, and that no
    overflow brought it there."""
    pointer, signal = crash.stop.thread.stack_pointer, crash.stop.signal
    by_stack = any(each.base == crash.process.machine.stack_pointer for each in crash.accesses)
    if signal is None or signal.code <= 0 or not by_stack or crash.is_fetch or crash.vma(pointer) is not None:
        return
    address = crash.fault_address
    if address is not None and any(stack_overflows(crash, address)):
        return
    evidence = (*crash.surroundings(pointer), TheInstruction(crash.stop.instruction))
    next_steps = ("info registers", "x/8i $pc")
    yield Verdict(Cause.WILD_STACK_POINTER, LIKELY, pointer, WildStackPointer(pointer), evidence, next_steps)


def own_stack(crash: CrashContext) -> ThreadStack | None:
    """Return the stack that glibc gave the thread; None for the main thread, and where it is not known."""
    for each in find_stacks(crash.process)[0]:
        # glibc keeps a thread's struct pthread, where the thread pointer points, on the thread's stack.
        has_control = each.thread_pointer is not None and each.start <= each.thread_pointer < each.end
        if each.thread.lwp == crash.stop.thread.lwp and has_control:
            return each
    return None


def _was_called_on(crash: CrashContext, own: ThreadStack) -> bool:
    """Whether the thread's own stack is the one that the innermost function was called on, as far as its caller tells:
    a coroutine's may lie just below that."""
    pointer = crash.stop.thread.stack_pointer
    caller = next((each.stack_pointer for each in crash.stop.frames if each.stack_pointer != pointer), None)
    return caller is None or own.guard_end - crash.page_size <= caller < own.end


def _is_first(crash: CrashContext) -> bool:
    """Whether the thread is the process's first, whose stack the kernel made."""
    return crash.process.pid == crash.stop.thread.lwp or len(crash.process.threads) == 1


def _thread_overflow(crash: CrashContext, address: int, end: int, is_own: bool = True) -> Verdict:
    """`end` is where the stack ends, and its guard begins, if it has one."""
    again, pointer = recursion(crash), crash.stop.thread.stack_pointer
    vma = crash.vma(address)
    is_closed = vma is not None and vma.end == end and not vma.writable
    # What a file brought to the memory below is nobody's guard: a stack among a program's own variables.
    is_others = is_closed and vma is not None and vma.is_file
    in_its_guard = is_guard_inside(crash, address) or (is_closed and not is_others)
    below = end - address
    far = not is_closed and not in_its_guard and below >= crash.page_size
    found = ThreadStackUsedUp(crash.stop.thread.number, in_its_guard, below, far, is_own, is_others)
    evidence = (*crash.surroundings(address), StackPointerIs(pointer), *again)
    return Verdict(Cause.THREAD_STACK_OVERFLOW, CERTAIN if again else LIKELY, address, found, evidence, _NEXT)


def alternate_stack(crash: CrashContext) -> tuple[int, int] | None:
    """Return the bounds of the alternate stack that the thread's innermost signal handler runs on; None where it
    runs on none."""
    handler = next(iter(crash.stop.handlers), None)
    if handler is None:
        return None
    if handler.alternate is not None:
        start, end = handler.alternate
        return handler.alternate if start <= handler.stack_pointer < end else None
    # i386's short frame does not tell the stack: what the handler's frame lies in, where the interrupted one lies
    # elsewhere.
    here, there = crash.vma(handler.stack_pointer), crash.vma(handler.interrupted_pointer)
    return (here.start, here.end) if here is not None and here != there else None


def _handler_overflow(crash: CrashContext, address: int, alternate: tuple[int, int]) -> Verdict:
    start, end = alternate
    again = recursion(crash)
    beside = (AlternateStack(start, end), BelowAlternateStack(start - address))
    evidence = (*beside, *crash.surroundings(address), *again)
    sure = CERTAIN if again else LIKELY
    return Verdict(Cause.SIGNAL_STACK_OVERFLOW, sure, address, HandlerStackUsedUp(), evidence, ("bt 20",))


def _is_just_below(crash: CrashContext, address: int, stack: VMA) -> bool:
    """Whether the address is in the guard that ends where the stack begins, or in the gap there."""
    guard = crash.vma(address)
    return stack.start - address <= _GUARD and (guard is None or guard.end == stack.start)


def _stack_of(crash: CrashContext, pointer: int) -> VMA | None:
    """Return the mapping of the stack that the pointer is on: the pointer itself may already be in the guard, below
    it."""
    here = crash.vma(pointer)
    if here is None or not here.writable:
        here = crash.process.address_space.around(pointer)[1]
    return here if here is not None and here.writable else None


def is_guard_inside(crash: CrashContext, address: int) -> bool:
    """Whether there is a guard inside a mapping that may be read (glibc 2.42 and later on Linux 6.13 and later): its
    pages cannot be read. (A core that gdb makes holds zeros for them: there the thread's own word counts.)"""
    vma = crash.vma(address)
    if vma is None or not (vma.readable and vma.writable):
        return False
    return crash.word_at(address & -crash.pointer_size) is None or in_guard(crash.process, address)


def _is_main_stack(crash: CrashContext, stack: VMA) -> bool:
    """Whether this is the first thread's stack: in a core no name says so, but nothing but the vdso and vsyscall
    lies above."""
    return crash.process.kind == "core" and not any(
        vma.start >= stack.end and vma.writable for vma in crash.process.address_space
    )


def _main_overflow(crash: CrashContext, address: int, stack: VMA) -> Verdict:
    used = stack.end - address
    limit = crash.stack_limit
    evidence: list[Fact] = [StackIs(in_mapping(stack)), BelowStackEnd(used)]
    if limit is not None:
        evidence.append(StackLimit(limit))
    again = recursion(crash)
    near_limit = limit is not None and used > limit - (1 << 20)
    sure = CERTAIN if near_limit or again else LIKELY
    found: Fact = StackAtLimit()
    if stack.start - address > crash.page_size and not again:
        evidence.append(BelowUsedStack(stack.start - address))
        found = BeyondStackLimit()
    return Verdict(Cause.STACK_OVERFLOW, sure, address, found, (*evidence, *again), _NEXT)


def recursion(crash: CrashContext) -> tuple[Fact, ...]:
    """Return what names the function that calls itself, and about how deep, where the innermost frames
    repeat."""
    frames = [each for each in crash.stop.frames if each.function]
    for period in range(1, 9):
        repeats = frames[period : 4 * period]
        names = [each.function for each in frames[:period]]
        if len(repeats) < 3 * period or any(
            each.function != names[index % period] for index, each in enumerate(repeats)
        ):
            continue
        each_size = (frames[3 * period].stack_pointer - frames[0].stack_pointer) // 3
        depth = (_stack_end(crash, frames[0].stack_pointer) - frames[0].stack_pointer) // each_size if each_size else 0
        return (Recursion(tuple(names), max(depth, 0), each_size),) if each_size > 0 else ()
    return ()


def _stack_end(crash: CrashContext, pointer: int) -> int:
    """Return the end of the stack that the pointer is on (or just below), the pointer itself where that is not
    known."""
    alternate = alternate_stack(crash)
    if alternate is not None:
        return alternate[1]
    own = own_stack(crash)
    if own is not None and own.control is not None and pointer < own.control and _was_called_on(crash, own):
        return own.control
    stack = _stack_of(crash, pointer)
    if stack is None or own is not None:
        return pointer
    is_main = stack.path == "[stack]" or _is_main_stack(crash, stack)
    return stack.end if is_main or not _is_first(crash) else pointer
