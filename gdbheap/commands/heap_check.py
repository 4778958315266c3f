"""heap check: every invariant of malloc's, what is broken, who probably broke it, and how to catch it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.invariants.undetectable import UNDETECTABLE
from gdbheap.counted import counted
from gdbheap.glibc.naming import arena_name
from gdbheap.interface.command import Argument, Command
from gdbheap.process.fault import Fault
from gdbheap.report.report import ABSENT, Column, Line, Report
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import lock_notes, taken_locks, threads_inside

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.invariants.calls import Call
    from gdbheap.analysis.invariants.check import CheckResult, Coverage
    from gdbheap.analysis.invariants.checked_heap import CheckedHeap
    from gdbheap.analysis.invariants.finding import Finding
    from gdbheap.analysis.malloc_aborts.interrupted_before import InterruptedBefore
    from gdbheap.analysis.malloc_aborts.malloc_abort import MallocAbort
    from gdbheap.analysis.suspects.suspected_writer import SuspectedWriter
    from gdbheap.process.frame import Frame

_COLUMNS = (
    Column("address", "address", "address"),
    Column("message", "text", "fault"),
    Column("field", "text"),
    Column("where", "address", "address"),
    Column("held", "address"),
    Column("expected", "text"),
    Column("call", "text"),
    Column("arena", "text"),
    Column("thread", "count"),
    Column("transient", "flag"),
    Column("suspects", "list", "address"),
    Column("writer", "text"),
    Column("writer_chunk", "address", "address"),
    Column("overrun", "count"),
    Column("bytes", "text"),
    Column("detail", "text"),
    Column("watch", "text", "command"),
    Column("breakpoint", "text", "command"),
    Column("rr", "text", "command"),
    Column("invariant", "text"),
    Column("expected_value", "address"),
    Column("why", "text"),
)

_SIGABRT = 6
# So many frames tell of an abort.
_FRAMES = 24
# So many threads are looked at for the one that aborted, where it is not the one that stopped.
_UNWOUND = 256
_POINTER_UNKNOWN = (
    "what the caller passed is in no argument, register or stack word that is left: look in the caller's frame"
)
# For so many findings the whole of memory is searched for pointers to the block.
_SEARCHED = 4


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Check the heap and tell what is wrong with it."""
    from gdbheap.analysis.invariants.calls import entered_again
    from gdbheap.analysis.invariants.check import check
    from gdbheap.analysis.invariants.checked_heap import CheckedHeap
    from gdbheap.analysis.malloc_aborts.abort_message import last_words
    from gdbheap.analysis.malloc_aborts.interrupted_before import interrupted_before
    from gdbheap.analysis.malloc_aborts.malloc_abort import explain_abort
    from gdbheap.analysis.malloc_aborts.passed_first import with_passed
    from gdbheap.analysis.suspects.recipe import recipe
    from gdbheap.analysis.suspects.suspected_writer import SuspectedWriter, probable_writer

    view = target.heap()
    dying, frames = dying_thread(target)
    frames = with_passed(target, dying, frames)
    said = last_words(target.process, target.abort_message(), frames, dying is not None)
    found = check(target.process, view, threads_inside(target), said is not None)
    heap = CheckedHeap(target.process, view)
    again = entered_again(frames)
    before = interrupted_before(target, frames) if said is not None or found.certain else None
    # What a call may have written that is under way, or that a handler made in the middle of another, nobody else has
    # to be looked for.
    own = SuspectedWriter("unknown", None, 0, "", "")
    is_handlers = before is not None and before.has_entered_again
    writers = [own if each.transient else probable_writer(heap, each) for each in found.findings]
    writers = [each if each.is_run or not is_handlers else own for each in writers]
    recipes = [
        ("", "", "") if each.transient else recipe(heap, each, writer) for each, writer in zip(found.findings, writers)
    ]
    rows = [_row(each, writer, lines) for each, writer, lines in zip(found.findings, writers, recipes)]
    limit = target.setting("limit") if arguments["count"] is None else arguments["count"]
    shown = list(zip(found.findings, writers, recipes))[: limit or None]
    died = explain_abort(heap, said, frames, found.findings) if said is not None else None
    display_rows: list[Any] = []
    for number, each in enumerate(shown):
        same = number > 0 and each[0].address == shown[number - 1][0].address
        display_rows += _same_chunk(each[0]) if same else _display_rows(target, heap, number, *each)
    if len(shown) < len(rows):
        display_rows.append(Line.plain(f"… {len(rows) - len(shown):,} more: --count 0 shows all", "dim"))
    return Report(
        command="heap check",
        columns=_COLUMNS,
        rows=rows,
        display_rows=display_rows,
        before=(_headline(found), *_abort_lines(target, heap, died, again, before)),
        after=tuple(_checked(each) for each in found.checked),
        totals={**_totals(found), **_abort_totals(died)},
        notes=(*view.notes, *_notes(target, found), *(_other_thread(target, dying) if died is not None else ())),
        faults=tuple(Fault(each.address, str(each.message), each.detail, each.invariant) for each in found.certain),
        faults_displayed=True,
    )


def dying_thread(target: Target) -> tuple[int | None, Sequence[Frame]]:
    """Return the thread (lwp) that aborts, and its frames from there on: the one that stopped, else any; (None, that
    one's frames) for none."""
    from gdbheap.analysis.malloc_aborts.dying_call import ABORT, dying_part

    stop = target.stop()
    frames = stop.frames[:_FRAMES]
    if (stop.signal.signal if stop.signal is not None else stop.thread.signal) == _SIGABRT:
        return stop.thread.lwp, dying_part(frames)
    for thread in target.process.threads[:_UNWOUND] if target.abort_message() else ():
        others = target.frames(thread.lwp, _FRAMES)
        if any(frame.function in ABORT for frame in others):
            return thread.lwp, dying_part(others)
    return None, frames


def _other_thread(target: Target, dying: int | None) -> Iterator[str]:
    if dying is not None and dying != target.selected_thread:
        number = next((each.number for each in target.process.threads if each.lwp == dying), 0)
        yield f"thread {number} aborted, another is selected: `thread {number}`, then `fault`"


def _headline(found: CheckResult) -> Line:
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
    perhaps = f"; {totals['transient']:,} that the call under way may explain" if totals["transient"] else ""
    return Line.plain(f"no fault: {checked}{perhaps}")


def _abort_lines(
    target: Target,
    heap: CheckedHeap,
    died: MallocAbort | None,
    again: tuple[Call, Call] | None,
    before: InterruptedBefore | None,
) -> Iterator[Line]:
    from gdbheap.analysis.invariants.calls import entry_words
    from gdbheap.analysis.malloc_aborts.interrupted_before import words_before
    from gdbheap.analysis.malloc_aborts.malloc_abort import cause, how_to_catch

    earlier = (_indented("perhaps", words_before(before)),) if before is not None else ()
    if died is None:
        yield from earlier
        return
    yield Line((("", f"{died.call} aborted: "), ("fault", died.message)))
    why = entry_words(*again) if again is not None else cause(heap, died, target.symbol_at, before)
    if why:
        yield _indented("cause", why)
    yield from earlier
    if died.caller is not None:
        yield _indented("caller", died.caller_words)
    yield _indented("check", f"{died.function}: {died.condition}")
    if again is not None:
        return  # what is broken tells of that call, and of no chunk's user
    if not why and (before is None or not before.has_entered_again):
        yield _indented("means", died.implies)
    if died.chunk is not None:
        pointer = f", which the caller passed as {died.pointer:#x}" if died.pointer is not None else ""
        chunk = heap.view.chunk_at(died.chunk)
        what = (
            f" ({chunk.state.label}, {chunk.size:#x} bytes)"
            if chunk is not None and chunk.address == died.chunk
            else ""
        )
        yield _indented("chunk", f"{died.chunk:#x}{what}{pointer}: {died.how}")
        if died.evidence not in [each.detail for each in died.findings]:
            yield _indented("", died.evidence)
    elif died.evidence:
        yield _indented("chunk", f"not known: {died.how}")
        yield _indented("", died.evidence)
    if died.pointer is None and died.wants_pointer:
        yield _indented("pointer", _POINTER_UNKNOWN)
    catch = how_to_catch(heap, died, target.symbol_at)
    if catch and not died.findings:
        yield Line((("dim", f"    {'catch':8}"), ("command", catch)))


def _abort_totals(died: MallocAbort | None) -> dict[str, Any]:
    if died is None:
        return {}
    shown = {"abort": died.message, "abort_check": died.function}
    for name, value in (("abort_chunk", died.chunk), ("abort_pointer", died.pointer)):
        if value is not None:
            shown[name] = f"{value:#x}"
    return shown


def _row(each: Finding, writer: SuspectedWriter, lines: tuple[str, ...]) -> tuple[Any, ...]:
    return (
        each.address,
        each.message,
        each.field,
        each.where,
        each.held,
        each.must.words,
        each.call,
        ABSENT if each.arena is None else arena_name(each.arena),
        ABSENT if each.thread is None else each.thread,
        each.transient,
        each.suspects,
        writer.kind,
        writer.chunk,
        writer.overrun,
        writer.bytes,
        each.detail,
        *lines,
        each.invariant.value,
        ABSENT if each.must.value is None else each.must.value,
        each.why,
    )


def _display_rows(
    target: Target, heap: CheckedHeap, number: int, each: Finding, writer: SuspectedWriter, lines: tuple[str, ...]
) -> Iterator[Line]:
    from gdbheap.analysis.pointers.holders import holders

    sure = "may be transient: " if each.transient else ""
    yield Line((("address", f"{each.address:#x}"), ("", "  "), ("fault", f"{sure}{each.message}")))
    yield from _what(each)
    if each.call:
        yield _indented("dies", each.call)
    if writer.sentence:
        yield _indented("writer", writer.sentence)
    if writer.kind == "dangling" and writer.chunk is not None and number < _SEARCHED:
        chunk = heap.view.chunk_at(writer.chunk)
        if chunk is not None:
            for holder in holders(
                heap.process, heap.view, target.symbol_at, chunk.address + heap.layout.header, chunk.end
            ):
                where = f"at {holder.where:#x}, " if holder.where else ""
                yield _indented("", f"{holder.pointer:#x} is still held {where}in {holder.what}")
    if each.suspects:
        yield _indented(
            "or", "the size field of " + ", ".join(f"{suspect:#x}" for suspect in each.suspects) + " is the wrong one"
        )
    for index, line in enumerate(line for line in lines if line):
        yield Line((("dim", f"    {'' if index else 'catch':8}"), ("command", line)))


def _what(each: Finding) -> Iterator[Line]:
    """Yield what the field holds, what it must hold, and why."""
    if not each.field:
        yield _indented("field", each.why)
        return
    yield _indented("field", each.holds)
    yield _indented("must be", each.must.words)
    if each.why:
        yield _indented("why", each.why)


def _same_chunk(each: Finding) -> Iterator[Line]:
    """Yield one line for a further field of the same chunk or arena: most often the same write has broken it."""
    yield _indented("and", each.detail)


def _indented(name: str, text: str) -> Line:
    return Line((("dim", f"    {name:8}"), ("", text)))


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
        yield (
            f"in mid-operation: thread {numbers.get(lwp, 0)} (LWP {lwp}) is inside {function}; `finish` it, and "
            "check again to be sure"
        )
    yield from lock_notes(target, locks)


COMMAND = Command(
    name="heap check",
    summary="Check every invariant of malloc's; tell what is broken, and who probably broke it.",
    description=(
        "Every chunk, free list, tcache, arena and heap is checked, and each fault told with the field that is wrong, "
        "what it holds and what it must hold, the call of malloc's that will die of it (and its words), who probably "
        "wrote there, and the commands that catch the write in a rerun. After a broken header it resynchronises "
        "at the next valid chunk, and says if it cannot. While a thread is inside malloc, what that call "
        "may be changing is marked as transient, and is not counted as a fault.\n"
        "The addresses in the commands hold in a rerun under gdb, which loads everything at the same place again: "
        "`start`, give the breakpoint, and at it the watchpoint.\n"
        "What no check can notice, and why: " + "; ".join(f"{field} ({why})" for field, why in UNDETECTABLE) + "."
    ),
    run=run,
    arguments=(Argument("--count", "count", "Show at most this many faults; 0 shows all."),),
    examples=(("heap check", "whether the heap is whole, and where it is not"),),
)
