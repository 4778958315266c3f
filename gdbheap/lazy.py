"""What costs much at gdb's start and is put off until it is used: numpy, the methods of dataclasses, and regular
expressions. Without that they take two thirds of the time to a small process's first answer.

Every module that needs numpy writes `from gdbheap.lazy import np`. `from gdbheap.lazy import dataclass` gives a class
its methods when the first of it is made (0.05 ms for each class). No class that the standard library's own decorator
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


# So many instances of a class are made before its own __init__ is compiled.
_FEW = 8
# The classes whose methods are put off, and whether each is frozen.
_put_off: dict[type[Any], bool] = {}


def _dataclass(made: type[Any] | None = None, /, frozen: bool = False) -> Any:
    """dataclasses.dataclass, with its work put off until the first instance."""

    def put_off(made: type[Any]) -> type[Any]:
        def __init__(self: Any, *arguments: Any, **named: Any) -> None:
            _complete(type(self))
            self.__init__(*arguments, **named)

        made.__init__ = __init__
        _put_off[made] = frozen
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
        frozen = _put_off.pop(each, None)
        if frozen is not None:
            type.__delattr__(each, "__init__")
            _make(each, frozen)


def _make(made: type[Any], frozen: bool) -> None:
    """What dataclasses.dataclass does, without code that is compiled for this class: that is what it costs."""
    own = dict(made.__dict__)
    if not made.__doc__:
        made.__doc__ = made.__name__  # or a signature is made for it, which takes longer than all the rest
    dataclasses.dataclass(init=False, repr=False, eq=False)(made)
    members = dataclasses.fields(made)
    compared = _values_of([each.name for each in members if each.compare])
    hashed = _values_of([each.name for each in members if (each.compare if each.hash is None else each.hash)])

    def is_equal(self: Any, other: Any) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    methods = {"__init__": _initialiser(made, members), "__repr__": _repr, "__eq__": is_equal, "__hash__": None}
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse, "__hash__": lambda self: hash(hashed(self))}
    for name, method in methods.items():
        # (A class with an __eq__ has None for its __hash__.)
        if own.get(name) is None:
            setattr(made, name, method)


def _initialiser(made: type[Any], members: tuple[dataclasses.Field[Any], ...]) -> Any:
    """Return the __init__ of a class with these fields: to compile it takes longer than to make some instances with
    one that goes for all classes. It is compiled for who makes many, or calls it wrongly."""
    names = {each.name for each in members}
    left = _FEW

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        nonlocal left
        left -= 1
        given = {**{each.name: value for each, value in zip(members, arguments)}, **named}
        is_plain = left >= 0 and len(given) == len(arguments) + len(named)
        for each in members:
            if each.name not in given and each.default is not dataclasses.MISSING:
                given[each.name] = each.default
            elif each.name not in given and each.default_factory is not dataclasses.MISSING:
                given[each.name] = each.default_factory()
        if not is_plain or given.keys() != names:
            made.__init__ = _compiled_initialiser(members)
            made.__init__(self, *arguments, **named)
            return
        for each in members:
            object.__setattr__(self, each.name, given[each.name])

    return __init__


def _compiled_initialiser(members: tuple[dataclasses.Field[Any], ...]) -> Any:
    known: dict[str, Any] = {"__set": object.__setattr__}
    taken, lines = ["__self"], []
    for number, each in enumerate(members):
        name = value = each.name
        if each.default_factory is not dataclasses.MISSING:
            known[f"__default{number}"] = known  # stands for none given
            known[f"__factory{number}"] = each.default_factory
            value = f"__factory{number}() if {name} is __default{number} else {name}"
        elif each.default is not dataclasses.MISSING:
            known[f"__default{number}"] = each.default
        taken.append(f"{name}=__default{number}" if f"__default{number}" in known else name)
        lines.append(f" __set(__self, {name!r}, {value})")
    exec(f"def __init__({', '.join(taken)}):\n" + ("\n".join(lines) or " pass"), known)
    return known["__init__"]


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"{name!r} of a {type(self).__name__} cannot be changed")


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
