"""One core's questions, and what of their answers a row has."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from gdbheap.analysis.call_stacks.whose_code import is_library_code, is_of_program, plain_name
from gdbheap.commands import command_named
from gdbheap.errors import HeapError, NoHeap
from gdbheap.interface.arguments import parse
from gdbheap.process.frame import Frame
from gdbheap.report.json import json_lines
from gdbheap.report.printable import cut_end, printable
from gdbheap.sentences.facts.said import said_all
from gdbheap.session.target import Target
from gdbheap.triage.bounded import Emit
from gdbheap.without_gdb.command_line import reader_of

# So much of each answer is kept.
_MOST_GROUPS, _MOST_HOLDERS, _MOST_FAULTS, _MOST_FRAMES, _MOST_NOTES = 5, 5, 8, 6, 8
_LONGEST = 200
# Who starts a program or a thread, in a program that has libc in itself.
_STARTS = re.compile(r"_start|__libc_start\w*|start_thread|_*clone3?|__libc_csu_\w+|call_init")
_LOST = ("definitely_lost", "indirectly_lost", "possibly_lost")
_KINDS = (*_LOST, "still_reachable", "undecided")


def examine(core: str, options: Namespace, emit: Emit) -> None:
    """Emit the parts of the core's row, one question's at a time: members of Row by name, and "doing", the question
    that comes next. What cannot be answered is an error of the row's."""
    with ExitStack() as hold:
        _examine(core, options, emit, hold)


def _examine(core: str, options: Namespace, emit: Emit, hold: ExitStack) -> None:
    emit({"doing": "opening it"})
    options.core = core
    try:
        reader = reader_of(options, hold)
        target = Target(reader)
        target.begin()
        emit(_of_process(target))
    except HeapError as error:
        emit({"errors": [_short(str(error))], "doing": ""})
        return
    for name, question in _QUESTIONS.items():
        emit({"doing": name})
        try:
            emit(question(target))
        except NoHeap as error:
            emit({"notes": [_short(str(error))]})
        except HeapError as error:
            emit({"errors": [f"{name}: {_short(str(error))}"]})
        except MemoryError:
            target.forget()
            emit({"errors": [f"{name}: it takes more memory than --memory allows"]})
        except Exception as error:  # a bug, which must not cost what the other questions know
            emit({"errors": [f"{name}: this is a bug of gdbheap's: {type(error).__name__}: {_short(str(error))}"]})
    emit({"notes": [_short(each) for each in reader.fetched], "doing": ""})


def _answer(target: Target, name: str, line: str = "") -> Mapping[str, Any]:
    """Return what a command publishes."""
    command = command_named(name)
    report = command.run(target, parse(command, line, target.evaluate))
    answer: Mapping[str, Any] = json.loads("".join(json_lines(report)))
    return answer


def _of_process(target: Target) -> Mapping[str, Any]:
    process = target.process
    main = process.main
    return {
        "program": _short(main.path) if main is not None else "",
        "build": main.build_id if main is not None else "",
        "machine": process.machine.name,
        "notes": [_short(note) for note in said_all(process.notes[:_MOST_NOTES])],
    }


def _of_stop(target: Target) -> Mapping[str, Any]:
    stop = target.stop()
    return {"signal": stop.signal_name, "frames": list(_named(target, stop.frames))}


def _of_fault(target: Target) -> Mapping[str, Any]:
    rows = _answer(target, "fault")["rows"]
    if not rows:
        return {"verdict": "none"}
    first = rows[0]
    told = {name: _short(first[name]) for name in ("verdict", "confidence", "summary")}
    return {**told, "verdicts": [row["verdict"] for row in rows]}


def _of_check(target: Target) -> Mapping[str, Any]:
    faults = [_short(row["message"]) for row in _answer(target, "heap check")["rows"] if not row["transient"]]
    return {"allocator_faults": list(dict.fromkeys(faults))[:_MOST_FAULTS]}


def _of_leaks(target: Target) -> Mapping[str, Any]:
    answer = _answer(target, "heap leaks", "--kind all")
    lost = [row for row in answer["rows"] if row["kind"] in _LOST]
    lost.sort(key=lambda row: (row["kind"] != _LOST[0], -row["bytes"] - row["hanging_bytes"]))
    kept = ("kind", "what", "chunk_size", "count", "bytes", "hanging_bytes")
    totals = answer["totals"]
    return {
        "leaks": [{name: _cell(row[name]) for name in kept} for row in lost[:_MOST_GROUPS]],
        "lost_bytes": sum(totals[f"{kind}_bytes"] for kind in _LOST[:2]),
        "in_use_bytes": sum(totals[f"{kind}_bytes"] for kind in _KINDS),
        "undecided_bytes": totals["undecided_bytes"],
    }


def _of_retained(target: Target) -> Mapping[str, Any]:
    rows = [row for row in _answer(target, "heap retained")["rows"] if row["within"] is None]
    kept = ("holder", "type", "kind", "bytes", "share", "blocks")
    return {"suspects": [{name: _cell(row[name]) for name in kept} for row in rows[:_MOST_HOLDERS]]}


def _of_rss(target: Target) -> Mapping[str, Any]:
    return {"rss": _answer(target, "heap rss")["totals"]["verdict"] or ""}


def _of_libc(target: Target) -> Mapping[str, Any]:
    return {"glibc": _short(target.layout().glibc_version)}


# The surest first: where the time is over, what was said is kept.
_QUESTIONS: Mapping[str, Callable[[Target], Mapping[str, Any]]] = {
    "the call stack": _of_stop,
    "glibc": _of_libc,
    "fault": _of_fault,
    "heap check": _of_check,
    "heap leaks": _of_leaks,
    "heap retained": _of_retained,
    "heap rss": _of_rss,
}


def _named(target: Target, frames: tuple[Frame, ...]) -> Iterator[str]:
    """Yield the names of the program's own frames, each once (a recursion is one), without what the C++ library's
    headers put there where there is more. What has no name is a place in its module; where nothing is the program's,
    the innermost frame."""
    own = [frame for frame in frames if is_of_program(frame) and not _STARTS.fullmatch(frame.function)]
    written = [frame for frame in own if not is_library_code(frame)] or own or list(frames[:1])
    names = [_short(plain_name(frame)) for frame in written if frame.function]
    names = names or [_place(target, frame) for frame in written]
    yield from list(dict.fromkeys(names))[:_MOST_FRAMES]


def _place(target: Target, frame: Frame) -> str:
    """Return where the frame is, as it is in every run of this build."""
    for module in target.process.modules:
        if any(each.start <= frame.program_counter < each.end for each in module.segments):
            return f"{_short(frame.library)}+{frame.program_counter - module.load_base:#x}"
    return "no module"


def _cell(value: Any) -> Any:
    return _short(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    return cut_end(printable(text), _LONGEST)
