"""gdbheap in gdb: its commands, parameters and convenience functions are given to gdb here, each by its name and help
alone. All that they say is imported when it is first asked for, so that gdb starts as fast as without gdbheap: this
file, and what it imports at its top, import nothing that gdb itself has not.
"""

from __future__ import annotations

import gdb

from gdbheap import __version__, packages
from gdbheap.commands import MODULES, command_named, kept_manuals, name_of
from gdbheap.inside_gdb.auto_fault import AutoFault
from gdbheap.inside_gdb.last_stop import LastStop
from gdbheap.inside_gdb.names import NAMES
from gdbheap.inside_gdb.terminal import is_interactive, is_terminal
from gdbheap.inside_gdb.text import output_of, spelled, write
from gdbheap.interface.prefix import PREFIX
from gdbheap.interface.settings import SETTINGS, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from gdbheap.interface.command import Command

_FUNCTIONS = {
    "chunk": (
        "Return the chunk that belongs to the pointer (a void *).\n\nUsage: $chunk(POINTER)\n\nPOINTER is what "
        "malloc returned; nothing is read."
    ),
    "chunk_size": (
        "Return the size in bytes of the chunk that belongs to the pointer.\n\nUsage: $chunk_size(POINTER)\n\n"
        "POINTER is what malloc returned. One word is read: quick enough for a breakpoint's condition."
    ),
    "heap_state": (
        "Return the state of the chunk that the pointer points into, as a string: in_use, tcache, top, ...; none "
        "outside of the heap.\n\n"
        "Usage: $heap_state(POINTER)\n\n"
        'In a condition compare with $_streq($heap_state(p), "tcache"): to compare with ==, gdb would call malloc in '
        "the process.\n"
        "The whole heap is read, once per stop; in a breakpoint's condition, each time that it is reached."
    ),
}

_registered: list[gdb.Command | gdb.Parameter | gdb.Function] = []


def register_all() -> None:
    """Register everything with gdb, once; print a line if a package is missing or a name was taken."""
    if _registered:
        return
    _register_settings()
    _register_commands()
    _registered.extend(GdbFunction(*each) for each in _FUNCTIONS.items())
    gdb.events.stop.connect(LastStop.note)
    gdb.events.cont.connect(LastStop.forget)
    gdb.events.exited.connect(LastStop.forget)
    AutoFault(lambda: bool(gdb.parameter(f"{PREFIX} auto-fault")), _explain_stop).connect()
    missing = packages.missing()
    if missing:
        write(packages.advice(missing) + "\n")
    elif is_interactive():
        write(f"gdbheap {__version__}: heap, vmmap, fault, explain and more: `help {PREFIX}`\n")


def _answering() -> ModuleType:
    """Return what answers, imported now if it was not yet."""
    try:
        from gdbheap.inside_gdb import answering
    except KeyboardInterrupt:
        raise gdb.GdbError("Quit") from None
    return answering


def _explain_stop() -> None:
    """Run `fault`; an error is one line, as after the command."""
    try:
        gdb.execute(f"{PREFIX} fault", is_terminal())
    except gdb.error as error:
        write(f"{error}\n")


class GdbCommand(gdb.Command):
    """The command `name`, under one of its names in gdb: as it is `typed`. `below` are the last words of the commands
    below it."""

    def __init__(
        self, typed: str, name: str, document: str, below: tuple[str, ...], find: Callable[[], Command] | None = None
    ) -> None:
        self.__doc__ = spelled(document)
        self._name = name
        self._below = below
        self._find = find or (lambda: command_named(name))
        super().__init__(typed, gdb.COMMAND_DATA, prefix=bool(below))

    def invoke(self, line: str, from_tty: bool) -> None:
        if not NAMES.are_being_hidden:
            _answering().answer(self._name, self._find, self._below, line, from_tty)

    def complete(self, text: str, word: str | None) -> Any:
        return _answering().offered(self._find(), text, word)


class GdbPrefix(gdb.Command):
    """A name that only has commands below it."""

    def __init__(self, name: str, summary: str) -> None:
        self.__doc__ = spelled(summary)
        super().__init__(name, gdb.COMMAND_DATA, prefix=True)


class GdbShow(GdbPrefix):
    """`show gdbheap`: every setting."""

    def invoke(self, line: str, from_tty: bool) -> None:
        if line:
            raise gdb.GdbError(f"gdbheap has no setting {line!r}: {', '.join(each.name for each in SETTINGS)}")
        width = max(len(each.name) for each in SETTINGS)
        for each in SETTINGS:
            value = _shown(gdb.parameter(f"{PREFIX} {each.name}"))
            write(f"{PREFIX} {each.name:<{width}}  {value:<9}  {each.summary}\n")


def _shown(value: object) -> str:
    """Return a setting's value as `set` takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unlimited" if value is None else str(value)


class GdbSetting(gdb.Parameter):
    """`set gdbheap NAME` and `show gdbheap NAME`."""

    def __init__(self, setting: Setting) -> None:
        self.set_doc = spelled(f"Set {setting.summary}.")
        self.show_doc = spelled(f"Show {setting.summary}.")
        self.__doc__ = spelled(setting.description)
        kind = gdb.PARAM_BOOLEAN if setting.kind == "flag" else gdb.PARAM_UINTEGER
        super().__init__(f"{PREFIX} {setting.name}", gdb.COMMAND_DATA, kind)
        self.value = setting.default
        self._name = setting.name
        self._summary = setting.summary

    def get_set_string(self) -> str:
        if self._name != "aliases":
            return ""
        from gdbheap.inside_gdb.aliases import set_aliases  # kept out of gdb's start

        return set_aliases(bool(self.value))

    def get_show_string(self, value: str) -> str:
        return f"{self._summary[0].upper()}{self._summary[1:]}: {value}."


class GdbFunction(gdb.Function):
    """A convenience function of one pointer, for expressions and breakpoint conditions."""

    def __init__(self, name: str, document: str) -> None:
        self.__doc__ = spelled(document)
        self._name = name
        super().__init__(name)

    def invoke(self, *pointers: gdb.Value) -> Any:
        return _answering().function_answer(self._name, pointers)


def _register_settings() -> None:
    _registered.append(GdbPrefix(f"set {PREFIX}", "Set gdbheap's settings."))
    _registered.append(GdbShow(f"show {PREFIX}", "Show gdbheap's settings."))
    _registered.extend(GdbSetting(each) for each in SETTINGS)


def _register_commands() -> None:
    """Register each command under `gdbheap`, and under its own name where that is nobody's yet."""
    own_names = [name_of(module) for module in MODULES]
    manuals = kept_manuals()
    prefixes = {name.rpartition(" ")[0] for name in own_names} - {""} | {PREFIX}
    # A prefix comes before what is below it; `gdbheap` is the prefix of all.
    names = sorted({*own_names, *prefixes}, key=lambda name: (name.count(" "), name != PREFIX, name))
    taken = {name for name in names if " " not in name and name != PREFIX and _is_taken(name)}
    for name in names:
        below = tuple(each.rpartition(" ")[2] for each in names if _parent(each) == name)
        own = [] if name.split()[0] in taken else [name]
        for typed in own if name == PREFIX else [*own, f"{PREFIX} {name}"]:
            if name in own_names:
                _registered.append(GdbCommand(typed, name, manuals[typed], below))
            else:
                _registered.append(GdbPrefix(typed, f"Commands of gdbheap: {name}."))
    for name in own_names:
        if " " not in name and name != PREFIX and name not in taken:
            NAMES.take(name, manuals[name].split("\n", 1)[0])
    for name in taken:
        NAMES.leave(name)
    NAMES.hide()
    if taken:
        in_full = ", ".join(f"{PREFIX} {name}" for name in sorted(taken))
        write(f"gdbheap: some names were already taken; type {in_full}\n")


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
