"""What a user can type: one file for each command, with its whole face in it (words, help, examples, columns)."""

from __future__ import annotations

from importlib import import_module

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
    "heap_types",
    "heap_view",
)

COMMANDS: tuple[Command, ...] = tuple(import_module(f"{__name__}.{module}").COMMAND for module in MODULES)
