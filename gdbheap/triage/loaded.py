"""All that reading a core may import, imported: a process that is forked then finds it there."""

from __future__ import annotations

import importlib
import pkgutil

import gdbheap
from gdbheap.lazy import np

_ROOMS = (
    *("analysis", "commands", "elf", "glibc", "interface", "machine", "process", "report", "sentences"),
    *("session", "tables", "types", "without_gdb"),
)


def load_all() -> None:
    """Import what the questions of a core import, some of it only now and then: ten times what reading a small core
    takes."""
    for room in _ROOMS:
        package = importlib.import_module(f"{gdbheap.__name__}.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    np.zeros(1)  # numpy is loaded when first asked for something
