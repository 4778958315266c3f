"""fault: why did the program stop here?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.errors import HeapError, NoHeap
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.process.mm import address_space_limit, data_limit, read_mm
from gdbheap.process.process import Process
from gdbheap.process.signal_info import OF_ACCESSES, SI_KERNEL, SIGSEGV, SIGTRAP, SignalInfo, signal_name
from gdbheap.process.stop import Stop
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import taken_locks
from gdbheap.session.violations import violations

if TYPE_CHECKING:
    from gdbheap.analysis.crashes.crash_context import CrashContext
    from gdbheap.analysis.crashes.verdict import Verdict
    from gdbheap.machine.instruction import Instruction
    from gdbheap.process.frame import Frame


@dataclass(frozen=True)
class _Row:
    """A verdict; `finding` and `facts` are the same as summary and evidence, as facts: a kind, and what belongs to
    it."""

    verdict: str = field(metadata=column("text", "heading"))
    confidence: str = field(metadata=column())
    address: int | Absent = field(metadata=column("address", "address"))
    access: str | Absent = field(metadata=column())
    summary: str = field(metadata=column())
    evidence: Sequence[str] = field(metadata=column("texts"))
    next: Sequence[str] = field(metadata=column("texts", "command"))
    finding: Mapping[str, Any] = field(metadata=column("facts", shown=False))
    facts: Sequence[Mapping[str, Any]] = field(metadata=column("facts", shown=False))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Explain the selected thread's stop."""
    # Kept out of gdb's start: the detectors are many, and most sessions never die.
    from gdbheap.analysis.crashes.explain_crash import explain_stop, is_fault
    from gdbheap.analysis.crashes.locks import deadlocks

    crash, notes = make_scene(target)
    verdicts = explain_stop(crash) if is_fault(crash) else list(deadlocks(crash))
    if not verdicts:
        return Report(
            "fault",
            (
                Prose((_ordinary(crash.stop),)),
                Table(columns_of(_Row), []),
            ),
            next=(Next("heap", "what the heap holds"), Next("heap check", "whether it is intact")),
        )
    verdicts[0] = _with_members(target, crash, verdicts[0])
    rows = [_row(each, crash.access_kind) for each in verdicts]
    table = Table(columns_of(_Row), rows, list(_display_rows(crash, verdicts)))
    # (The rows for people have them.)
    then = tuple(Next(each, shown=False) for each in verdicts[0].next)
    return Report("fault", (table, Facts(_stop_facts(crash), shown=False)), notes, then)


def _stop_facts(crash: CrashContext) -> dict[str, Any]:
    """Return where it stopped and what the instruction did there."""
    stop = crash.stop
    return {
        "signal": stop.signal_name or None,
        "function": (stop.frames[0].function or None) if stop.frames else None,
        "source": stop.source or None,
        "instruction": stop.instruction or None,
        "accesses": [
            {"operand": each.text, "access": each.access, "size": each.size or None, "address": f"{each.address:#x}"}
            for each in crash.accesses
        ],
    }


def _with_members(target: Target, crash: CrashContext, verdict: Verdict) -> Verdict:
    """Return the verdict, with the members that hold the pointer which the instruction used, and what their block is to
    whom, where it is more than one thing."""
    from gdbheap.analysis.facts.stop import Reused
    from gdbheap.session.bad_pointer import members_with
    from gdbheap.session.reused_block import reused

    members = members_with(target, crash)
    held = reused(target, crash, members)
    if not held:
        return replace(verdict, evidence=(*verdict.evidence, *members))
    owners = f"heap owners {held[0].block:#x}"
    both = Reused(held[0].block)
    return replace(verdict, evidence=(*verdict.evidence, *members, *held, both), next=(owners, *verdict.next))


def make_scene(target: Target) -> tuple[CrashContext, tuple[str, ...]]:
    """Return all that the detectors look at, and notes on what could not be had."""
    from gdbheap.analysis.crashes.context import context
    from gdbheap.analysis.crashes.crash_context import CrashContext
    from gdbheap.analysis.malloc_aborts.interrupted_before import interrupted_before
    from gdbheap.sentences.facts.said import said

    process = target.process
    stop = target.stop()
    layout: Layout | None = None
    heap: HeapView | None = None
    instruction = process.machine.code.decode(stop.instruction, stop.thread.registers)
    stop, notes = _with_signal(process, stop, instruction)
    stop = replace(stop, frames=_with_passed(target, stop))
    try:
        layout = target.layout()
        heap = target.heap()
    except NoHeap:
        pass  # there is no heap whose state could explain anything
    except HeapError as error:
        notes += (f"the heap's state is not known: {error}",)
    crash = CrashContext(
        stop=stop,
        process=process,
        instruction=instruction,
        heap=heap,
        symbol_at=target.symbol_at,
        demangled=target.demangled,
        abort_message=target.abort_message(),
        tcache_key=layout.tcache_key if layout is not None else None,
        stack_limit=read_mm(process).stack_limit,
        memory_limit=address_space_limit(process),
        data_limit=data_limit(process),
        locks=taken_locks(target) if heap is not None else (),
        interrupted=interrupted_before(target, stop.frames),
        find_violations=lambda: violations(target),
    )
    return crash, (*notes, *_remarks(stop), *map(said, context(crash)))


def _with_passed(target: Target, stop: Stop) -> tuple[Frame, ...]:
    """Return the stop's frames, with what free or realloc, or a function of mutexes, was given where the thread died
    in one of them."""
    from gdbheap.analysis.crashes.mutexes import with_mutex
    from gdbheap.analysis.malloc_aborts.dying_call import dying_part
    from gdbheap.analysis.malloc_aborts.passed_first import with_passed

    dying = dying_part(stop.frames)
    return (
        *stop.frames[: len(stop.frames) - len(dying)],
        *with_mutex(target, with_passed(target, stop.thread.lwp, dying)),
    )


def _with_signal(process: Process, stop: Stop, instruction: Instruction) -> tuple[Stop, tuple[str, ...]]:
    """Return the stop with the siginfo that a core lacks, as far as it can be concluded, and a note that says so."""
    from gdbheap.analysis.crashes.inferred_signal import infer_signal

    if stop.signal is not None:
        return _raised_again(process, stop, instruction)
    if not stop.thread.signal:
        return stop, ()
    name = signal_name(stop.thread.signal)
    signal = infer_signal(process, stop.thread, instruction, stop.frames, stop.own_pid)
    lacking = (
        f"the core does not hold the kernel's siginfo for {name} (no NT_SIGINFO)"
        if process.kind == "core"
        else f"this target does not provide the kernel's siginfo for {name}"
    )
    note = f"{lacking}: it is inferred from the instruction and the mappings"
    untold = not process.address_space.known and stop.thread.signal in OF_ACCESSES
    if signal is None and (untold or stop.thread.signal == SIGTRAP):
        return stop, ()
    signal = signal or SignalInfo(stop.thread.signal, 0, 0)
    return replace(stop, signal=signal, signal_name=name), (note,)


def _raised_again(process: Process, stop: Stop, instruction: Instruction) -> tuple[Stop, tuple[str, ...]]:
    """Return the stop with the signal that the instruction brings, where the program has sent itself the very same:
    so ends a handler that puts the default back and raises what it was called for."""
    from gdbheap.analysis.crashes.inferred_signal import infer_signal

    signal = stop.signal
    if signal is None or signal.signal not in OF_ACCESSES:
        return stop, ()
    undelivered = (signal.signal, signal.code) == (SIGSEGV, SI_KERNEL)
    if not undelivered and (signal.code > 0 or signal.sender != stop.own_pid):
        return stop, ()
    found = infer_signal(process, replace(stop.thread, signal=signal.signal), instruction, stop.frames, stop.own_pid)
    if found is None or found.code <= 0 or (undelivered and not _is_of_data(found, stop)):
        return stop, ()
    if undelivered:
        # mirrors signal_setup_done(): force_sigsegv() where the handler's frame cannot be written
        note = (
            f"the kernel could not start the program's handler of {stop.signal_name} (stack exhausted, or an "
            "invalid handler address): the original fault is explained"
        )
        return replace(stop, signal=found), (note,)
    note = f"the program raised this {stop.signal_name} again from a handler: the original fault is explained"
    return replace(stop, signal=found), (note,)


def _is_of_data(signal: SignalInfo, stop: Stop) -> bool:
    return signal.code != SI_KERNEL and signal.address != stop.thread.program_counter


def _remarks(stop: Stop) -> Iterator[str]:
    """Yield what must be said of where the signal was: on another thread, in a handler."""
    if not stop.is_selected:
        yield (
            f"another thread is selected: the signal was delivered to thread {stop.thread.number} (`thread "
            f"{stop.thread.number}` selects it)"
        )
    if stop.handler:
        yield (
            f"the thread is already in handler {stop.handler} (`bt` shows it); this describes the moment the signal "
            "was delivered"
        )


def _ordinary(stop: Stop) -> str:
    if stop.signal is None and stop.thread.signal in OF_ACCESSES:
        return (
            f"{signal_name(stop.thread.signal)} stopped this thread, and why is not known: this target provides "
            "neither the kernel's siginfo nor the mappings. `x/i $pc` and `info registers` show the access, "
            "`heap check` whether the heap is whole"
        )
    if stop.signal is None:
        return "no signal stopped this thread: there is no fault to explain. `explain ADDRESS` explains an address"
    sender = (
        f", sent by process {stop.signal.sender}" if stop.signal.sender and stop.signal.sender != stop.own_pid else ""
    )
    return f"{stop.signal_name} stopped this thread{sender}; it is not a fault. `explain ADDRESS` explains an address"


def _row(verdict: Verdict, access: str) -> _Row:
    from gdbheap.sentences.facts.said import said

    return _Row(
        verdict.cause.value,
        verdict.confidence,
        ABSENT if verdict.address is None else verdict.address,
        access or ABSENT,
        said(verdict.finding),
        tuple(map(said, verdict.evidence)),
        verdict.next,
        verdict.finding.record(),
        [each.record() for each in verdict.evidence],
    )


def _display_rows(crash: CrashContext, verdicts: list[Verdict]) -> Iterator[Line]:
    """Yield what happened, then each verdict: what, why it is thought so, and what to type next."""
    from gdbheap.sentences.facts.said import said

    stop = crash.stop
    yield Line((("fault", f"{stop.signal_name or 'stopped'}"), ("", _where(stop))))
    if stop.source:
        yield Line((("dim", "  source       "), ("source", stop.source)))
    if stop.instruction:
        yield Line((("dim", "  instruction  "), ("assembly", stop.instruction)))
    for access in crash.accesses:
        how = f"{access.access}s {counted(access.size, 'byte')} at" if access.size else f"{access.access}s"
        yield Line((("dim", "  operand      "), ("", f"{access.text} {how} "), ("address", f"{access.address:#x}")))
    for number, verdict in enumerate(verdicts):
        summary = said(verdict.finding)
        yield Line((("heading", verdict.cause.value), ("dim", f"  ({verdict.confidence})  "), ("", summary)))
        for fact in verdict.evidence:
            yield Line((("dim", "  because  "), ("", said(fact))))
        if number == 0:
            for command in verdict.next:
                yield Line((("dim", "  next     "), ("command", command)))


def _where(stop: Stop) -> str:
    frame = stop.frames[0] if stop.frames else None
    name = frame.function if frame is not None and frame.function else f"{stop.thread.program_counter:#x}"
    address = (
        f", si_addr {stop.signal.address:#x}" if stop.signal is not None and stop.signal.address is not None else ""
    )
    return f" in {name}, thread {stop.thread.number}{address}"


COMMAND = Command(
    name="fault",
    summary="Explain what stopped the program: what happened, why, and what to type next.",
    description=(
        "Verdicts come best first, each with its confidence (certain: the evidence allows nothing else; likely; "
        "possible) and the facts that it rests on. Works on a live process and on a core."
    ),
    run=run,
    examples=(("fault", "why the program died here"),),
)
