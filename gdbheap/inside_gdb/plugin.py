"""gdbheap in gdb: its commands, parameters and convenience functions. All that they say is computed elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gdb

from gdbheap import packages
from gdbheap.commands import COMMANDS
from gdbheap.errors import HeapError, NoHeap, UsageError
from gdbheap.inside_gdb import expressions as gdb_expressions
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.inside_gdb.auto_fault import AutoFault
from gdbheap.inside_gdb.debugger import GdbDebugger
from gdbheap.inside_gdb.last_stop import LastStop
from gdbheap.inside_gdb.names import BareNames
from gdbheap.inside_gdb.text import host_charset, output_of
from gdbheap.interface.arguments import OUTPUT, all_arguments, parse, suggest
from gdbheap.interface.command import Command
from gdbheap.interface.completion import EXPRESSION, PATH, SYMBOL, complete, current_word
from gdbheap.interface.manual import manual
from gdbheap.interface.settings import SETTINGS, Setting
from gdbheap.interface.spelling import AS_NAMED, PREFIX, Spelling
from gdbheap.report.charset import in_charset
from gdbheap.report.deliver import to_file, to_screen
from gdbheap.report.pipes import pipes_held
from gdbheap.report.printable import pointed_at, printable
from gdbheap.report.progress import Progress
from gdbheap.session.target import Target

_EVENTS = (
    "stop cont exited new_objfile clear_objfiles free_objfile inferior_call memory_changed register_changed "
    "new_inferior inferior_deleted executable_changed corefile_changed"
)
_COMPLETERS = {EXPRESSION: gdb.COMPLETE_EXPRESSION, PATH: gdb.COMPLETE_FILENAME, SYMBOL: gdb.COMPLETE_SYMBOL}


def register_all() -> None:
    """Register everything with gdb, once; print a line if a package is missing or a name was taken."""
    if _registered:
        return
    _register_settings()
    _register_commands()
    _registered.extend(GdbFunction(*each) for each in _FUNCTIONS)
    for name in _EVENTS.split():
        if hasattr(gdb.events, name):
            getattr(gdb.events, name).connect(_target.forget)
    gdb.events.stop.connect(LastStop.note)
    gdb.events.cont.connect(LastStop.forget)
    gdb.events.exited.connect(LastStop.forget)
    AutoFault(lambda: bool(gdb.parameter(f"{PREFIX} auto-fault")), _explain_stop).connect()
    missing = packages.missing()
    if missing:
        _write(packages.advice(missing) + "\n")


def _explain_stop() -> None:
    """Run `fault`; an error is one line, as after the command."""
    try:
        gdb.execute(f"{PREFIX} fault", _is_terminal())
    except gdb.error as error:
        _write(f"{error}\n")


class GdbCommand(gdb.Command):
    """A Command under one of its names in gdb."""

    def __init__(self, name: str, command: Command, below: tuple[str, ...], spelling: Spelling = AS_NAMED) -> None:
        self.__doc__ = _spelled(manual(command, spelling))
        self._command = command
        self._below = below
        super().__init__(name, gdb.COMMAND_DATA, prefix=bool(below))

    def invoke(self, line: str, from_tty: bool) -> None:
        if _names.are_being_hidden:
            return
        with _clear_errors(self._command.name):
            on_terminal = from_tty and _is_terminal()
            _target.begin(Progress(_write_at_once) if on_terminal else None)
            self._refuse_subcommand(line)
            arguments = parse(self._command, line, _target.evaluate)
            report = self._command.run(_target, arguments)
            if end := _target.end:
                report = replace(report, notes=(*report.notes, end))
            report = _names.spelling().report(report)
            if arguments["output"] is not None and OUTPUT in all_arguments(self._command):
                _write(to_file(report, arguments["output"], arguments["json"]))
                return
            width = gdb.parameter("width") if on_terminal else None
            columns = width if isinstance(width, int) else None
            colour = on_terminal and bool(gdb.parameter("style enabled"))
            with _quit_at_pager():
                to_screen(report, _write, arguments["json"], columns, colour)

    def _refuse_subcommand(self, line: str) -> None:
        """gdb hands a prefix the words that are none of its commands: say so, rather than take one for an argument."""
        word = line.split(" ", 1)[0]
        if self._below and word and not word.startswith("--"):
            raise UsageError(f"there is no {self._command.name} {word}{suggest(word, self._below)}")

    def complete(self, text: str, word: str | None) -> Any:
        found = complete(self._command, text)
        if isinstance(found, str):
            return _COMPLETERS[found]
        # gdb's word may begin after ours does (it breaks at "=" and ","): it wants the rest of ours alone.
        done = len(current_word(text)) - len(word or "")
        return [each[max(done, 0) :] for each in found]


class GdbPrefix(gdb.Command):
    """A name that only has commands below it."""

    def __init__(self, name: str, summary: str) -> None:
        self.__doc__ = _spelled(summary)
        super().__init__(name, gdb.COMMAND_DATA, prefix=True)


class GdbShow(GdbPrefix):
    """`show gdbheap`: every setting."""

    def invoke(self, line: str, from_tty: bool) -> None:
        if line:
            raise gdb.GdbError(f"gdbheap has no setting {line!r}: {', '.join(each.name for each in SETTINGS)}")
        for each in SETTINGS:
            gdb.execute(f"show {PREFIX} {each.name}", from_tty)


class GdbSetting(gdb.Parameter):
    """`set gdbheap NAME` and `show gdbheap NAME`."""

    def __init__(self, setting: Setting) -> None:
        self.set_doc = _spelled(f"Set {setting.summary}.")
        self.show_doc = _spelled(f"Show {setting.summary}.")
        self.__doc__ = _spelled(setting.description)
        kind = gdb.PARAM_BOOLEAN if setting.kind == "flag" else gdb.PARAM_UINTEGER
        super().__init__(f"{PREFIX} {setting.name}", gdb.COMMAND_DATA, kind)
        self.value = setting.default
        self._summary = setting.summary

    def get_set_string(self) -> str:
        return ""

    def get_show_string(self, value: str) -> str:
        return f"{self._summary[0].upper()}{self._summary[1:]}: {value}."


class GdbFunction(gdb.Function):
    """A convenience function of one pointer, for expressions and breakpoint conditions."""

    def __init__(self, name: str, document: str, answer: Callable[[int], Any]) -> None:
        self.__doc__ = _spelled(document)
        self._name = name
        self._answer = answer
        super().__init__(name)

    def invoke(self, *pointers: gdb.Value) -> Any:
        with _clear_errors(f"${self._name}"):
            if len(pointers) != 1:
                raise UsageError(f"it takes one pointer, not {len(pointers)}")
            return self._answer(gdb_expressions.address_of(pointers[0], "its argument"))


@contextmanager
def _quit_at_pager() -> Iterator[None]:
    """`q` at gdb's pager, or Ctrl-C in a long answer: nothing that needs words."""
    try:
        yield
    except KeyboardInterrupt:
        raise gdb.GdbError("Quit") from None


def _write_at_once(text: str) -> None:
    """Write a line that has no end: it would be kept until one comes."""
    _write(text)
    gdb.flush()


@contextmanager
def _clear_errors(name: str) -> Iterator[None]:
    """Make one clear line of what stops a command or function of this name (and show the place that is off); a bug
    keeps its traceback."""
    try:
        yield
    except UsageError as error:
        place = f"\n{pointed_at(error.line, *error.span)}" if error.line else ""
        spelling = _names.spelling()
        text = f"{spelling.line(name)}: {printable(spelling.sentence(str(error)))}{place}"
        raise gdb.GdbError(_spelled(text)) from None
    except HeapError as error:
        raise gdb.GdbError(_spelled(printable(_names.spelling().sentence(str(error))))) from None
    except KeyboardInterrupt:
        kept = "; what it had read is kept for the next command of this stop" if _target.has_read else ""
        raise gdb.GdbError(f"Quit: {name} was stopped before it had anything to show{kept}") from None
    except MemoryError:
        raise gdb.GdbError(f"{name}: there is not enough memory for this") from None
    except ModuleNotFoundError as error:
        missing = packages.missing()
        if error.name is None or packages.REQUIRED.get(error.name.partition(".")[0]) not in missing:
            raise
        raise gdb.GdbError(packages.advice(missing)) from None


def _chunk(mem: int) -> gdb.Value:
    return gdb.Value(gdb_process.below(mem, words=2)).cast(gdb.lookup_type("void").pointer())


def _chunk_size(mem: int) -> int:
    return gdb_process.read_word(gdb_process.below(mem, words=1)) & ~7


def _heap_state(pointer: int) -> str:
    _target.begin()
    try:
        chunk = _target.heap().chunk_at(pointer)
    except NoHeap:
        return "none"  # a condition must not stop the program while ld.so still runs without libc
    return chunk.state.label if chunk else "none"


_FUNCTIONS = (
    (
        "chunk",
        "Return the chunk that belongs to the pointer (a void *).\n\nUsage: $chunk(POINTER)\n\nPOINTER is what "
        "malloc returned; nothing is read.",
        _chunk,
    ),
    (
        "chunk_size",
        "Return the size in bytes of the chunk that belongs to the pointer.\n\nUsage: $chunk_size(POINTER)\n\n"
        "POINTER is what malloc returned. One word is read: quick enough for a breakpoint's condition.",
        _chunk_size,
    ),
    (
        "heap_state",
        "Return the state of the chunk that the pointer points into, as a string: in_use, tcache, top, ...; none "
        "outside of the heap.\n\n"
        "Usage: $heap_state(POINTER)\n\n"
        'In a condition compare with $_streq($heap_state(p), "tcache"): to compare with ==, gdb would call malloc in '
        "the process.\n"
        "The whole heap is read, once per stop; in a breakpoint's condition, each time that it is reached.",
        _heap_state,
    ),
)

_registered: list[gdb.Command | gdb.Parameter | gdb.Function] = []
_pipes_at_start = pipes_held()
_names = BareNames(lambda text: _write(text))
_target = Target(GdbDebugger(lambda name: gdb.parameter(f"{PREFIX} {name}")))


def _register_settings() -> None:
    _registered.append(GdbPrefix(f"set {PREFIX}", "Set gdbheap's settings."))
    _registered.append(GdbShow(f"show {PREFIX}", "Show gdbheap's settings."))
    _registered.extend(GdbSetting(each) for each in SETTINGS)


def _register_commands() -> None:
    """Register each command under `gdbheap`, and under its own name where that is nobody's yet."""
    by_name = {command.name: command for command in COMMANDS}
    prefixes = {name.rpartition(" ")[0] for name in by_name} - {""} | {PREFIX}
    # A prefix comes before what is below it; `gdbheap` is the prefix of all.
    names = sorted({*by_name, *prefixes}, key=lambda name: (name.count(" "), name != PREFIX, name))
    taken = {name for name in names if " " not in name and name != PREFIX and _is_taken(name)}
    beneath = Spelling(frozenset(name.split()[0] for name in by_name) - {PREFIX})
    for name in names:
        below = tuple(each.rpartition(" ")[2] for each in names if _parent(each) == name)
        own = [] if name.split()[0] in taken else [name]
        for spelled in own if name == PREFIX else [*own, f"{PREFIX} {name}"]:
            if name in by_name:
                spelling = AS_NAMED if spelled == name else beneath
                _registered.append(GdbCommand(spelled, by_name[name], below, spelling))
            else:
                _registered.append(GdbPrefix(spelled, f"Commands of gdbheap: {name}."))
    for name in by_name:
        if " " not in name and name != PREFIX and name not in taken:
            _names.take(name, by_name[name].summary)
    for name in taken:
        _names.leave(name)
    _names.hide()
    if taken:
        spelled_out = ", ".join(f"{PREFIX} {name}" for name in sorted(taken))
        _write(f"gdbheap: left to others what they have defined; type {spelled_out}\n")


def _parent(name: str) -> str:
    return "" if name == PREFIX else name.rpartition(" ")[0] or PREFIX


def _is_taken(name: str) -> bool:
    """Whether gdb has a command of just this name, its own, a plugin's or a user's."""
    if gdb.parameter("max-completions") != 0:
        return name in output_of(f"complete {name}").split("\n")
    try:
        gdb.execute(f"help {name}", to_string=True)
    except gdb.error:
        return False
    return True


def _write(text: str) -> None:
    gdb.write(_spelled(text))


def _spelled(text: str) -> str:
    return text if text.isascii() else in_charset(text, host_charset())


def _is_terminal() -> bool:
    return os.isatty(1) and not pipes_held() - _pipes_at_start
