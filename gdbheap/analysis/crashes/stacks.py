"""Stacks that are used up: the first thread's at its limit, a thread's at its guard, a signal handler's alternate
one; and who recursed."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.process.address_space import VMA
from gdbheap.process.threads.thread_stacks import ThreadStack, find_stacks, in_guard

# The kernel keeps this free below a stack (stack_guard_gap, 256 pages); a frame larger than the rest of the stack lands
# as far below.
_NEAR_STACK = 64 << 20
_GUARD = 1 << 20
# mirrors the kernel before 5.0 (do_user_addr_fault: enter may touch 64 KiB below the stack pointer)
_FARTHEST_BELOW = (1 << 16) + 256
_NEXT = ("bt 20", "bt -5")


def stack_overflows(crash: CrashContext, address: int) -> Iterator[Verdict]:
    """Yield a stack overflow: the address is at or below the end of the thread's stack, and near its stack pointer."""
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
    if own is not None and own.guard_end - _NEAR_STACK <= pointer and address < own.guard_end:
        yield _thread_overflow(crash, address, own.guard_end)
        return
    stack = _stack_of(crash, pointer)
    if stack is None or (address >= stack.start + crash.page_size and not is_guard_inside(crash, address)):
        return
    if stack.path == "[stack]" or _is_main_stack(crash, stack):
        yield _main_overflow(crash, address, stack)
    elif is_guard_inside(crash, address) or _is_just_below(crash, address, stack):
        yield _thread_overflow(crash, address, stack.start)


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
    summary = (
        f"the stack pointer is {pointer:#x}, where there is no stack: it, or a frame pointer that it was taken "
        "from, was overwritten"
    )
    evidence = (*crash.surroundings(pointer), f"the instruction is `{crash.stop.instruction}`")
    yield Verdict("wild_stack_pointer", LIKELY, pointer, summary, evidence, ("info registers", "x/8i $pc"))


def own_stack(crash: CrashContext) -> ThreadStack | None:
    """Return the stack that glibc gave the thread; None for the main thread, and where it is not known."""
    for each in find_stacks(crash.process)[0]:
        # glibc keeps a thread's struct pthread, where the thread pointer points, on the thread's stack.
        has_control = each.thread_pointer is not None and each.start <= each.thread_pointer < each.end
        if each.thread.lwp == crash.stop.thread.lwp and has_control:
            return each
    return None


def _thread_overflow(crash: CrashContext, address: int, end: int) -> Verdict:
    """`end` is where the stack ends, and its guard begins, if it has one."""
    again, pointer = recursion(crash), crash.stop.thread.stack_pointer
    vma = crash.vma(address)
    evidence = [*crash.surroundings(address), f"the stack pointer is {pointer:#x}", *again]
    if is_guard_inside(crash, address) or (vma is not None and vma.end == end and not vma.writable):
        where = "the address is in the guard below it"
    elif end - address < crash.page_size:
        where = "the address is just below it, and it has no guard"
    else:
        where = (
            f"the address is {end - address:#x} bytes below it: a frame, or an array in it, that is larger than "
            "the rest of the stack"
        )
    summary = f"thread {crash.stop.thread.number} has used up its stack: {where}"
    return Verdict("thread_stack_overflow", CERTAIN if again else LIKELY, address, summary, tuple(evidence), _NEXT)


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
    evidence = (
        f"the alternate stack (sigaltstack) is {start:#x}-{end:#x}, {end - start:#x} bytes",
        f"the address is {start - address:#x} bytes below it",
        *crash.surroundings(address),
        *recursion(crash),
    )
    summary = "a signal handler has used up the alternate stack that it runs on"
    return Verdict(
        "signal_stack_overflow", CERTAIN if recursion(crash) else LIKELY, address, summary, evidence, ("bt 20",)
    )


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
    evidence = [f"the stack is {crash.vma_line(stack)}", f"the address is {used:#x} bytes below its end"]
    if limit is not None:
        evidence.append(f"the limit on its size is {limit:#x} bytes (ulimit -s {limit >> 10})")
    again = recursion(crash)
    near_limit = limit is not None and used > limit - (1 << 20)
    sure = CERTAIN if near_limit or again else LIKELY
    summary = "the stack has grown to its limit"
    if stack.start - address > crash.page_size and not again:
        evidence.append(f"the address is {stack.start - address:#x} bytes below what has been used so far")
        summary = "the access lies beyond the stack's limit: a very large local array, or alloca"
    return Verdict("stack_overflow", sure, address, summary, (*evidence, *again), _NEXT)


def recursion(crash: CrashContext) -> tuple[str, ...]:
    """Return a line that names the function that calls itself, and about how deep, where the innermost frames
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
        cycle = " -> ".join(names)
        calls = "calls itself" if period == 1 else "call each other"
        return (f"{cycle} {calls}: about {depth:,} deep, {each_size} bytes of stack each time",) if depth > 0 else ()
    return ()


def _stack_end(crash: CrashContext, pointer: int) -> int:
    """Return the end of the stack that the pointer is on (or just below), the pointer itself where that is not
    known."""
    alternate = alternate_stack(crash)
    if alternate is not None:
        return alternate[1]
    own = own_stack(crash)
    if own is not None and own.thread_pointer is not None and pointer < own.thread_pointer:
        return own.thread_pointer
    stack = _stack_of(crash, pointer)
    return stack.end if stack is not None else pointer
