"""What a command, its completion and a convenience function answer in gdb. Imported when the first of them is asked:
it brings most of gdbheap."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gdb

from gdbheap import packages
from gdbheap.errors import HeapError, NoHeap, PackagesMissing, UsageError
from gdbheap.inside_gdb import expressions as gdb_expressions
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.inside_gdb.debugger import GdbDebugger
from gdbheap.inside_gdb.names import NAMES
from gdbheap.inside_gdb.terminal import is_terminal, takes_colour
from gdbheap.inside_gdb.text import spelled, write
from gdbheap.inside_gdb.where_typed import TYPED
from gdbheap.interface.arguments import answer_file, parse, suggest, wants_json
from gdbheap.interface.command import Command
from gdbheap.interface.limit import limited, rows_wanted
from gdbheap.interface.manual import manual
from gdbheap.interface.prefix import PREFIX
from gdbheap.report.deliver import STANDARD_OUTPUT, OutputForm, form_of, to_file, to_screen
from gdbheap.report.example import example_of
from gdbheap.report.failure import failure_of
from gdbheap.report.json import error_line
from gdbheap.report.line_text import line_text
from gdbheap.report.paint import plain
from gdbheap.report.printable import pointed_at, printable
from gdbheap.report.progress import Progress
from gdbheap.report.report import Line, Report
from gdbheap.session.target import Target

# So many values more than before are made between two searches for cycles.
_ALLOCATIONS = 50_000
_HELP = ("-h", "-help", "--help")
Find = Callable[[], Command]

_EVENTS = (
    "stop cont exited new_objfile clear_objfiles free_objfile inferior_call memory_changed register_changed "
    "new_inferior inferior_deleted executable_changed corefile_changed"
)

TARGET = Target(GdbDebugger(lambda name: gdb.parameter(f"{PREFIX} {name}")))
for _name in _EVENTS.split():
    if hasattr(gdb.events, _name):
        getattr(gdb.events, _name).connect(TARGET.forget)


def answer(name: str, find: Find, below: tuple[str, ...], line: str, from_tty: bool) -> None:
    """Write what the command of this name says to `line`; `below` are the last words of commands below it."""
    with _clear_errors(name, wants_json(line)), _few_collections():
        command = find()
        on_terminal = from_tty and is_terminal()
        TARGET.begin(Progress(_write_at_once) if on_terminal else None)
        _refuse_subcommand(name, below, line)
        if line.split(" ", 1)[0] in _HELP:
            write(manual(command, NAMES.spelling()) + "\n")
            return
        arguments = parse(command, line, TARGET.evaluate)
        report = command.run(TARGET, arguments)
        if remarks := [each for each in (TARGET.cut_short, TARGET.end) if each]:
            report = replace(report, notes=(*report.notes, *remarks))
        report = NAMES.spelling().report(report)
        _keep_example(report)
        if arguments["json"]:
            report = limited(report, rows_wanted(command, arguments))
        if form_of(arguments) is OutputForm.TEXT:
            report = TYPED.report(report)
        path = answer_file(command, arguments)
        if path not in (None, STANDARD_OUTPUT):
            write(to_file(report, path, form_of(arguments)))
            return
        on_terminal = on_terminal and path is None
        width = gdb.parameter("width") if on_terminal else None
        columns = width if isinstance(width, int) else None
        colour = on_terminal and takes_colour() and bool(gdb.parameter("style enabled"))
        with _quit_at_pager():
            to_screen(report, write, form_of(arguments), columns, colour)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Have Python look for cycles seldom: an answer makes many values that stay, and hardly any cycle; looking for
    these would take a quarter of its time."""
    before = gc.get_threshold()
    if before[0]:  # else nobody looks for any
        gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        TARGET.done()


def offered(command: Command, text: str, word: str | None) -> Any:
    """Return what gdb offers after `text`: the candidates for `word`, or which of its own completers has them."""
    from gdbheap.interface.completion import EXPRESSION, PATH, complete, current_word  # for those who type

    found = complete(command, text)
    if found == EXPRESSION:
        return gdb.COMPLETE_EXPRESSION
    if isinstance(found, str):
        return gdb.COMPLETE_FILENAME if found == PATH else gdb.COMPLETE_SYMBOL
    # gdb's word may begin after ours does (it breaks at "=" and ","): it wants the rest of ours alone.
    done = len(current_word(text)) - len(word or "")
    return [each[max(done, 0) :] for each in found]


def function_answer(name: str, pointers: tuple[gdb.Value, ...]) -> Any:
    """Return the value of a convenience function."""
    with _clear_errors(f"${name}"):
        if len(pointers) != 1:
            raise UsageError(f"it takes one pointer, not {len(pointers)}")
        return _FUNCTIONS[name](TARGET.untagged(gdb_expressions.address_of(pointers[0], "its argument")))


def _refuse_subcommand(name: str, below: tuple[str, ...], line: str) -> None:
    """gdb hands a prefix the words that are none of its commands: say so, rather than take one for an argument."""
    word = line.split(" ", 1)[0]
    if below and word and not word.startswith("-"):
        raise UsageError(f"there is no {name} {word}{suggest(word, below)}; there are {', '.join(below)}")


def _keep_example(report: Report) -> None:
    """Put the answer's first example into $_ and $heap_example, for the next command."""
    address = example_of(report)
    if address is None:
        return
    try:
        value = gdb.Value(address).cast(gdb.lookup_type("void").pointer())
        for name in ("_", "heap_example"):
            gdb.set_convenience_variable(name, value)
    except gdb.error:
        return  # a program of a language without void *, or of an address that is too large for it


@contextmanager
def _quit_at_pager() -> Iterator[None]:
    """`q` at gdb's pager, or Ctrl-C in a long answer: nothing that needs words."""
    try:
        yield
    except KeyboardInterrupt:
        raise gdb.GdbError("Quit") from None


def _write_at_once(text: str) -> None:
    """Write a line that has no end: it would be kept until one comes."""
    write(text)
    gdb.flush()


@contextmanager
def _clear_errors(name: str, as_json: bool = False) -> Iterator[None]:
    """Make one clear line of what stops a command or function of this name (and show the place that is off), and of
    JSON an object besides; a bug keeps its traceback."""
    try:
        yield
    except (HeapError, KeyboardInterrupt, MemoryError, ModuleNotFoundError) as error:
        known = _as_missing(error)
        text, place = _told(name, known)
        if as_json:
            usage = "help " + (name if name == PREFIX else f"{PREFIX} {name}")
            _write_at_once(error_line(name, failure_of(known, text, usage)))
        raise gdb.GdbError(spelled(f"{_at_width(text)}{place}")) from None
    except gdb.GdbError:
        raise
    except Exception as error:
        if as_json:
            _write_at_once(error_line(name, failure_of(error, f"a fault of gdbheap's own: {error}")))
        raise


def _at_width(text: str) -> str:
    """Return the text in lines as wide as the terminal, if gdb has one."""
    width = gdb.parameter("width") if is_terminal() else None
    return line_text(Line.plain(text), width if isinstance(width, int) else None, plain).rstrip("\n")


def _as_missing(error: BaseException) -> BaseException:
    """Return the error that says how to get the package, where one of those that gdbheap needs is not there."""
    lacking = packages.missing() if isinstance(error, ModuleNotFoundError) and error.name else ()
    name = packages.REQUIRED.get((getattr(error, "name", "") or "").partition(".")[0])
    return PackagesMissing(packages.advice(lacking), packages.setup_command()) if name in lacking else error


def _told(name: str, error: BaseException) -> tuple[str, str]:
    """Return the line that says what has stopped a command, and the lines that show the place that is off."""
    spelling = NAMES.spelling()
    if isinstance(error, UsageError):
        place = f"\n{pointed_at(error.line, *error.span)}" if error.line else ""
        return f"{spelling.line(name)}: {printable(spelling.sentence(str(error)))}", place
    if isinstance(error, HeapError):
        return printable(spelling.sentence(str(error))), ""
    if isinstance(error, KeyboardInterrupt):
        kept = "; what it has read is kept for the next command at this stop" if TARGET.has_read else ""
        return f"Quit: {name} was interrupted before it had anything to show{kept}", ""
    if isinstance(error, MemoryError):
        return f"{name}: there is not enough memory for this", ""
    raise error


def _chunk(mem: int) -> gdb.Value:
    return gdb.Value(gdb_process.below(mem, words=2)).cast(gdb.lookup_type("void").pointer())


def _chunk_size(mem: int) -> int:
    return gdb_process.read_word(gdb_process.below(mem, words=1)) & ~7


def _heap_state(pointer: int) -> str:
    TARGET.begin()
    try:
        chunk = TARGET.heap().chunk_at(pointer)
    except NoHeap:
        return "none"  # a condition must not stop the program while ld.so still runs without libc
    return chunk.state.label if chunk else "none"


_FUNCTIONS: dict[str, Callable[[int], Any]] = {"chunk": _chunk, "chunk_size": _chunk_size, "heap_state": _heap_state}
