"""heap check: every invariant of malloc's, what is broken, who probably broke it, and how to catch it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field as member
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import dataclass
from gdbheap.pictures.drawn_answers import broken_svgs
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.process.signal_info import OF_ACCESSES
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said, said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.sentences.undetectable import UNDETECTABLE
from gdbheap.session.block_names import all_names
from gdbheap.session.dying_thread import dying_thread
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import lock_notes, taken_locks, threads_inside
from gdbheap.session.violations import violations

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.invariants.check import CheckResult, Coverage
    from gdbheap.analysis.invariants.checked_heap import CheckedHeap
    from gdbheap.analysis.malloc_aborts.abort_message import AbortMessage
    from gdbheap.analysis.malloc_aborts.interrupted_before import InterruptedBefore
    from gdbheap.analysis.malloc_aborts.malloc_abort import MallocAbort
    from gdbheap.analysis.suspects.diagnosis import Diagnosis
    from gdbheap.process.frame import Frame


@dataclass(frozen=True)
class _Row:
    """A finding, who may have written there, and how to catch it."""

    address: int = member(metadata=column("address", "address"))
    message: str = member(metadata=column("text", "fault"))
    field: str = member(metadata=column())
    where: int = member(metadata=column("address", "address"))
    held: int | None = member(metadata=column("address"))
    expected: str = member(metadata=column())
    call: str = member(metadata=column())
    arena: str | Absent = member(metadata=column())
    thread: int | Absent = member(metadata=column("count"))
    transient: bool = member(metadata=column("flag"))
    suspects: Sequence[int] = member(metadata=column("list", "address"))
    writer: str = member(metadata=column())
    writer_chunk: int | None = member(metadata=column("address", "address"))
    overrun: int | None = member(metadata=column("count"))
    bytes: str | None = member(metadata=column())
    detail: str = member(metadata=column())
    watch: str = member(metadata=column("text", "command"))
    breakpoint: str = member(metadata=column("text", "command"))
    rr: str = member(metadata=column("text", "command"))
    invariant: str = member(metadata=column())
    expected_value: int | Absent = member(metadata=column("address"))
    why: str = member(metadata=column())
    thread_number: int | Absent | None = member(metadata=column("number"))
    writer_facts: Mapping[str, Any] | None = member(metadata=column("facts", shown=False))
    expected_facts: Mapping[str, Any] | None = member(metadata=column("facts", shown=False))
    why_facts: Mapping[str, Any] | None = member(metadata=column("facts", shown=False))
    call_facts: Mapping[str, Any] | None = member(metadata=column("facts", shown=False))
    message_facts: Mapping[str, Any] | None = member(metadata=column("facts", shown=False))


# For so many findings the whole of memory is searched for pointers to the block.
_SEARCHED = 4


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Check the heap and tell what is wrong with it."""
    from gdbheap.analysis.invariants.check import judge
    from gdbheap.analysis.invariants.checked_heap import CheckedHeap
    from gdbheap.analysis.malloc_aborts.interrupted_before import interrupted_before
    from gdbheap.analysis.suspects.diagnosis import diagnose

    view = target.heap()
    dying = _dying(target)
    found = judge(violations(target), target.process, view, threads_inside(target), dying.told is not None)
    heap = CheckedHeap(target.process, view)
    before = interrupted_before(target, dying.frames) if dying.told is not None or found.certain else None
    in_handler = before is not None and before.has_entered_again
    diagnoses = [diagnose(heap, each, in_handler) for each in found.findings]
    limit = limit_of(target, arguments)
    died, lines = _abort(target, heap, found, dying, before)
    numbers = {thread.lwp: thread.number for thread in target.process.threads}
    misfit_lines, misfit_totals = _misfits(target, arguments, limit or 0)
    report = Report(
        "heap check",
        (
            Prose((_headline(found, _died_inside(target, found)), *lines)),
            Table(
                columns_of(_Row),
                [_row(each, numbers) for each in diagnoses],
                list(_display_rows(target, heap, diagnoses, limit)),
            ),
            Prose((*(_checked(each) for each in found.checked), *misfit_lines)),
            Facts({**_totals(found), **misfit_totals}),
            Facts(_abort_totals(died), shown=False),
            faults_section((each.fault for each in found.certain), shown=False),
        ),
        notes=(
            *said_all(view.notes),
            *_notes(target, found),
            *(_other_thread(target, dying.thread) if died is not None else ()),
        ),
        next=tuple(_next(found, died is not None or bool(_died_inside(target, found)))),
    )
    return with_svg(report, arguments, lambda: next(broken_svgs(target, report), None))


@dataclass(frozen=True)
class _Dying:
    """The thread (lwp) that aborts, if any, its frames, and what libc said (None: nothing)."""

    thread: int | None
    frames: Sequence[Frame]
    told: AbortMessage | None


def _dying(target: Target) -> _Dying:
    from gdbheap.analysis.malloc_aborts.abort_message import last_words
    from gdbheap.analysis.malloc_aborts.passed_first import with_passed

    thread, frames = dying_thread(target)
    frames = with_passed(target, thread, frames)
    return _Dying(thread, frames, last_words(target.process, target.abort_message(), frames, thread is not None))


def _abort(
    target: Target, heap: CheckedHeap, found: CheckResult, dying: _Dying, before: InterruptedBefore | None
) -> tuple[MallocAbort | None, tuple[Line, ...]]:
    """Return what malloc aborts on, if it does, and the lines that say it."""
    from gdbheap.analysis.invariants.calls import entered_again
    from gdbheap.analysis.malloc_aborts.malloc_abort import explain_abort
    from gdbheap.sentences.malloc_aborts import abort_lines, interrupted_lines

    died = (
        None
        if dying.told is None
        else explain_abort(heap, dying.told, dying.frames, found.findings, heap.layout.header)
    )
    if died is None:
        return None, tuple(interrupted_lines(before))
    return died, tuple(abort_lines(heap, died, target.symbol_at, entered_again(dying.frames), before))


def _misfits(target: Target, arguments: Mapping[str, Any], limit: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the blocks that are not what a typed pointer says, where they are asked for: lines, and facts."""
    if not arguments["types"]:
        return (), {}
    from gdbheap.analysis.types.misfits import find_misfits  # kept out of gdb's start
    from gdbheap.sentences.misfits import misfit_facts, misfit_lines

    names = all_names(target)
    misfits = find_misfits(target.process, pointer_graph(target), names.types)
    facts = misfit_facts(names, misfits)
    return tuple(misfit_lines(names, misfits, limit)), {"misfits": {"count": len(facts), "blocks": facts}}


def _next(found: CheckResult, died: bool) -> Iterator[Next]:
    if died:
        yield Next("fault", "why it died")
    if found.certain:
        yield Next(f"explain {found.certain[0].address:#x}", "what lies there")
    elif not died:
        yield Next("heap leaks", "what is lost")


def _other_thread(target: Target, dying: int | None) -> Iterator[str]:
    if dying is not None and dying != target.selected_thread:
        number = next((each.number for each in target.process.threads if each.lwp == dying), 0)
        yield f"thread {number} aborted, another is selected: `thread {number}`, then `fault`"


def _died_inside(target: Target, found: CheckResult) -> str:
    """Return the function of malloc's that the stopped thread has died in, of an access; "" for none."""
    stop = target.stop()
    is_dead = stop.signal is not None and stop.signal.signal in OF_ACCESSES and stop.signal.code > 0
    return found.busy.inside.get(stop.thread.lwp, "") if is_dead else ""


def _headline(found: CheckResult, died_inside: str) -> Line:
    """Return the answer: whether the heap is whole."""
    certain, totals = found.certain, _totals(found)
    if certain:
        first = certain[0]
        return Line(
            (
                ("fault", f"{counted(len(certain), 'fault')}: the heap is corrupt, first at "),
                ("address", f"{first.address:#x}"),
            )
        )
    checked = f"{counted(totals['chunks'], 'chunk')} and {counted(totals['lists'], 'free list')} checked"
    if totals["transient"] and died_inside:
        broken = f"{counted(totals['transient'], 'broken field')}: what {died_inside} has died of, or left half done"
        return Line.plain(f"{broken}; {checked}")
    perhaps = f"; {totals['transient']:,} that the call under way may explain" if totals["transient"] else ""
    return Line.plain(f"no fault: {checked}{perhaps}")


def _abort_totals(died: MallocAbort | None) -> dict[str, Any]:
    if died is None:
        return {}
    shown = {"abort": died.message, "abort_check": died.function}
    for name, value in (("abort_chunk", died.chunk), ("abort_pointer", died.pointer)):
        if value is not None:
            shown[name] = f"{value:#x}"
    return shown


def _row(diagnosis: Diagnosis, numbers: Mapping[int, int]) -> _Row:
    each, writer = diagnosis.finding, diagnosis.writer
    return _Row(
        address=each.address,
        message=said(each.message),
        field=each.field,
        where=each.where,
        held=each.held,
        expected=said(each.must),
        call="" if each.call is None else said(each.call),
        arena=ABSENT if each.arena is None else arena_name(each.arena),
        thread=ABSENT if each.thread is None else each.thread,
        transient=each.transient,
        suspects=each.suspects,
        writer=writer.kind,
        writer_chunk=writer.chunk,
        overrun=writer.overrun,
        bytes="" if writer.bytes is None else said(writer.bytes),
        detail=said(each.detail),
        watch=diagnosis.watch,
        breakpoint=diagnosis.breakpoint,
        rr=diagnosis.rr,
        invariant=each.invariant.value,
        expected_value=ABSENT if each.must.value is None else each.must.value,
        why="" if each.why is None else said(each.why),
        thread_number=ABSENT if each.thread is None else numbers.get(each.thread),
        writer_facts=None if writer.fact is None else writer.fact.record(),
        expected_facts=each.must.record(),
        why_facts=None if each.why is None else each.why.record(),
        call_facts=None if each.call is None else each.call.record(),
        message_facts=each.message.record(),
    )


def _display_rows(target: Target, heap: CheckedHeap, diagnoses: Sequence[Diagnosis], limit: int) -> Iterator[Line]:
    """Yield the findings for people, those of one chunk together."""
    from gdbheap.sentences.findings import catching_lines, diagnosis_lines, further_lines, pointer_lines

    shown = diagnoses[: limit or None]
    number = 0
    for _, same in groupby(shown, key=lambda each: each.finding.address):
        first, *further = same
        yield from diagnosis_lines(first)
        if number < _SEARCHED:
            yield from pointer_lines(heap, target.symbol_at, first)
        yield from catching_lines(first)
        yield from further_lines([each.finding for each in further])
        number += 1 + len(further)
    if len(shown) < len(diagnoses):
        yield left_out(len(diagnoses) - len(shown), "")


def _checked(each: Coverage) -> str:
    lists = f"{counted(each.listed, 'chunk')} in {counted(each.lists, 'list')}" if each.lists else ""
    if each.arena is None:
        rest = f"those of {counted(each.unknown, 'thread')} are not known" if each.unknown else ""
        return f"tcaches: {', '.join(filter(None, (lists, rest))) or 'empty'}"
    where = "mmapped" if arena_name(each.arena) == "mmapped" else f"arena {arena_name(each.arena)}"
    return f"{where}: {counted(each.chunks, 'chunk')}{lists and f', {lists}'}"


def _totals(found: CheckResult) -> dict[str, Any]:
    certain = len(found.certain)
    return {
        "chunks": sum(each.chunks for each in found.checked),
        "lists": sum(each.lists for each in found.checked),
        "listed_chunks": sum(each.listed for each in found.checked),
        "faults": certain,
        "transient": len(found.findings) - certain,
    }


def _notes(target: Target, found: CheckResult) -> Iterator[str]:
    busy = found.busy
    numbers = {thread.lwp: thread.number for thread in target.process.threads}
    locks = taken_locks(target)
    stuck = {each.lwp for lock in locks for each in lock.waiters}
    for lwp, function in busy.inside.items():
        if lwp in stuck:
            continue
        thread = f"thread {numbers.get(lwp, 0)} (LWP {lwp})"
        if lwp == target.stop().thread.lwp and _died_inside(target, found):
            yield f"in mid-operation: {thread} has died inside {function}; `fault` tells what of"
        else:
            yield f"in mid-operation: {thread} is inside {function}; `finish` it, and check again to be sure"
    yield from lock_notes(target, locks)


COMMAND = Command(
    name="heap check",
    summary="Check every invariant of malloc; show what is broken, and who probably broke it.",
    description=(
        "Checks every chunk, free list, tcache, arena and heap. Each fault is shown with the wrong field, what it "
        "holds and what it must hold, the malloc call that will abort on it (and with which message), the suspected "
        "writer, and the commands that catch the write when the program is run again. After a broken header the walk "
        "resynchronises at the next valid chunk, and says so if it cannot. While a thread is inside malloc, whatever "
        "that call may be changing is marked as transient and is not counted as a fault.\n"
        "The addresses in those commands stay the same in a rerun under gdb, because gdb turns off address "
        "randomisation: type `start`, set the breakpoint, and when it is hit, the watchpoint.\n"
        "What no check can notice, and why: " + "; ".join(f"{field} ({why})" for field, why in UNDETECTABLE) + "."
    ),
    run=run,
    arguments=(
        Argument(
            "--types",
            "flag",
            "Also list the blocks whose contents do not fit the type of a pointer to them. They are not counted as "
            "faults: malloc's own data are sound there.",
        ),
        count_argument("faults"),
        SVG,
    ),
    examples=(
        ("heap check", "whether the heap is intact, and where it is not"),
        ("heap check --types", "also the blocks whose contents do not fit the types of the pointers to them"),
    ),
)
