"""What an answer cannot tell because files that the process had mapped are not here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from gdbheap.counted import counted
from gdbheap.process.process import Module, Process

_MOST_NAMED = 3


def missing_files(process: Process) -> Iterator[str]:
    """Yield a sentence for the program, and one for libraries."""
    main = process.main
    if main is not None and _is_missing(main):
        yield (
            f"{main.path}, the program, is not here (or it is another build): its types, variables and lines are not "
            "known; --program FILE says where it is"
        )
    libraries = [each for each in process.modules if each != main and _is_missing(each)]
    if libraries:
        what = counted(len(libraries), "library is", "libraries are")
        yield (
            f"{what} not here as the process had mapped them ({_named(libraries)}): their names and types are not "
            "known; --sysroot DIR says where they are"
        )


def _is_missing(module: Module) -> bool:
    return module.file is None and module.path.startswith("/")


def _named(modules: Sequence[Module]) -> str:
    names = [os.path.basename(each.path) for each in modules[:_MOST_NAMED]]
    return ", ".join(names) + (", ..." if len(modules) > _MOST_NAMED else "")
