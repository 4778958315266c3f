"""numpy, loaded at its first use: importing it costs more than all the rest of gdbheap at gdb's start.

Every module that needs numpy writes `from gdbheap.lazy import np`.
"""

from __future__ import annotations

import importlib
import os
import signal
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["np"]


class _LazyModule:
    """A module's attributes, each fetched (and the module imported) when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(_import_with_deaf_threads(self._name), attribute)
        setattr(self, attribute, value)
        return value


# How many threads numpy's BLAS makes when it is loaded, unless somebody has said so: gdbheap multiplies no matrices,
# and they cost a third of the import.
_THREADS = "OPENBLAS_NUM_THREADS"


def _import_with_deaf_threads(name: str) -> ModuleType:
    """Import the module with as few threads as it can be had with, and so that those it starts take no signals.

    gdb waits for SIGCHLD in sigsuspend(), and blocks it elsewhere. If another thread takes a SIGCHLD that comes
    between, gdb never wakes: `run`, `continue` and `kill` then hang now and then. A thread inherits the mask of the
    one that starts it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    told = _THREADS in os.environ
    if not told:
        os.environ[_THREADS] = "1"
    try:
        return importlib.import_module(name)
    finally:
        if not told:
            del os.environ[_THREADS]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if TYPE_CHECKING:
    import numpy as np
else:
    np = _LazyModule("numpy")
