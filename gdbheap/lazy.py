"""What costs much at gdb's start and is put off until it is used: numpy, whose import costs more than all the rest of
gdbheap, and the methods of dataclasses.

Every module that needs numpy writes `from gdbheap.lazy import np`. Where a module has many dataclasses of which few are
ever made, `from gdbheap.lazy import dataclass` gives them their methods when the first is made: that takes some 0.3 ms
for each class. No class that the standard library's own decorator makes a dataclass of may derive from one.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "np"]


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
    if name in sys.modules:
        return sys.modules[name]
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


# What was asked for each class whose methods are put off.
_put_off: dict[type[Any], dict[str, Any]] = {}


def _dataclass(made: type[Any] | None = None, /, **options: Any) -> Any:
    """dataclasses.dataclass, with its work put off until the first instance."""

    def put_off(made: type[Any]) -> type[Any]:
        def __init__(self: Any, *arguments: Any, **named: Any) -> None:
            _complete(type(self))
            self.__init__(*arguments, **named)

        made.__init__ = __init__
        _put_off[made] = options
        return made

    return put_off if made is None else put_off(made)


def _complete(made: type[Any]) -> None:
    """Give the class, and those that it derives from, their methods."""
    for each in reversed(made.__mro__):
        options = _put_off.pop(each, None)
        if options is not None:
            type.__delattr__(each, "__init__")
            dataclasses.dataclass(**options)(each)


if TYPE_CHECKING:
    from dataclasses import dataclass

    import numpy as np
else:
    np = _LazyModule("numpy")
    dataclass = _dataclass
