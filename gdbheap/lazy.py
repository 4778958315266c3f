"""What costs much at gdb's start and is put off until it is used: numpy, the methods of dataclasses, and regular
expressions. Without that they take two thirds of the time to a small process's first answer.

Every module that needs numpy writes `from gdbheap.lazy import np`. `from gdbheap.lazy import dataclass` gives a class
its methods when the first of it is made (0.3 ms for each class). No class that the standard library's own decorator
makes a dataclass of may derive from one. A module's own regular expressions are regex(), compiled when first used
(0.3 ms to 1 ms each).
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import signal
import sys
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "fields", "np", "regex"]


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


def _fields(made: Any) -> tuple[dataclasses.Field[Any], ...]:
    """dataclasses.fields, of a class that has no instance yet, too."""
    if isinstance(made, type):
        _complete(made)
    return dataclasses.fields(made)


def _complete(made: type[Any]) -> None:
    """Give the class, and those that it derives from, their methods."""
    for each in reversed(made.__mro__):
        options = _put_off.pop(each, None)
        if options is not None:
            type.__delattr__(each, "__init__")
            if options == {"frozen": True}:
                _make_frozen(each)
            else:
                dataclasses.dataclass(**options)(each)


def _make_frozen(made: type[Any]) -> None:
    """dataclasses.dataclass(frozen=True), the methods that need no code of their own for each class made without any:
    to compile it is what a dataclass costs."""
    own = dict(made.__dict__)
    dataclasses.dataclass(frozen=True, repr=False, eq=False)(made)
    members = dataclasses.fields(made)
    compared = _values_of([each.name for each in members if each.compare])
    hashed = _values_of([each.name for each in members if (each.compare if each.hash is None else each.hash)])

    def is_equal(self: Any, other: Any) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    methods = {"__repr__": _repr, "__eq__": is_equal, "__hash__": lambda self: hash(hashed(self))}
    for name, method in methods.items():
        # (A class with an __eq__ has None for its __hash__.)
        if own.get(name) is None:
            setattr(made, name, method)


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _values_of(names: list[str]) -> Callable[[Any], Any]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda made: tuple(getattr(made, name) for name in names)


class _LazyPattern:
    """A regular expression, compiled when one of its methods is first asked for."""

    def __init__(self, text: Any, flags: int) -> None:
        self._told = (text, flags)

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(re.compile(*self._told), attribute)
        setattr(self, attribute, value)
        return value


def _regex(text: Any, flags: int = 0) -> _LazyPattern:
    """re.compile, with its work put off until the first use."""
    return _LazyPattern(text, flags)


if TYPE_CHECKING:
    from dataclasses import dataclass, fields
    from re import compile as regex

    import numpy as np
else:
    np = _LazyModule("numpy")
    dataclass = _dataclass
    fields = _fields
    regex = _regex
