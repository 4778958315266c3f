"""What a user can type: one file for each command, with its whole face in it (words, help, examples, columns)."""

from __future__ import annotations

import os
from importlib import import_module

from gdbheap.files import read_regular

TYPE_CHECKING = False  # typing's own would cost gdb's start the import of typing
if TYPE_CHECKING:
    from gdbheap.interface.command import Command

# One line for each command, in the order of the help: the module of this package that holds it as COMMAND.
MODULES = (
    "about",
    "heap",
    "heap_chunks",
    "heap_chunk",
    "heap_bins",
    "heap_arenas",
    "heap_sizes",
    "heap_vis",
    "heap_map",
    "heap_check",
    "fault",
    "heap_params",
    "heap_predict",
    "vmmap",
    "mm",
    "explain",
    "heap_leaks",
    "heap_owners",
    "heap_retained",
    "heap_search",
    "heap_snapshot",
    "heap_snapshots",
    "heap_diff",
    "heap_rss",
    "heap_record",
    "heap_report",
    "heap_types",
    "heap_view",
)

_MOST_MANUALS = 1 << 20


def name_of(module: str) -> str:
    """Return the name of the command that a module of MODULES holds, as it is typed."""
    return "gdbheap" if module == "about" else module.replace("_", " ")


def command_named(name: str) -> Command:
    """Return a command; its module is imported now, if it was not yet."""
    module = next(each for each in MODULES if name_of(each) == name)
    command: Command = import_module(f"{__name__}.{module}").COMMAND
    return command


def all_commands() -> tuple[Command, ...]:
    """Return every command, in the order of the help. All that they need is imported, which takes a while."""
    return tuple(command_named(name_of(module)) for module in MODULES)


def kept_manuals() -> dict[str, str]:
    """Return every command's help text by what is typed for it: "heap chunks", and "gdbheap heap chunks".

    gdb wants the texts when it is given the commands, and no command shall be imported before it is used: so they are
    kept in manuals.txt, which a test holds to the commands and writes again.
    """
    path = os.path.join(os.path.dirname(__file__), "manuals.txt")
    _, *sections = ("\n" + read_regular(path, _MOST_MANUALS).decode()).split("\n=== ")
    parts = (section.partition("\n") for section in sections)
    return {name: text.strip("\n") for name, _, text in parts}
