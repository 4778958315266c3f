"""What the debug information of all modules of the stopped process says, as one catalogue, and its variables where
they lie now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, regex
from gdbheap.session.target import Key, Target
from gdbheap.types.catalogue import NONE, Catalogue, Storage, Variable
from gdbheap.types.typed_root import RootKind, TypedRoot

if TYPE_CHECKING:
    from gdbheap.process.process import Module

# The libraries of glibc and of the compilers: a program's own debug information has those of their types that it uses.
_OF_THE_SYSTEM = regex(r"(ld-linux.*|ld|lib(c|m|pthread|dl|rt|resolv|util|anl|nss_\w+|gcc_s|stdc\+\+))([-.].*)?")


def joined_catalogue(target: Target) -> Catalogue:
    """Return the types of all modules, each once, and the variables that every thread shares, at the addresses at
    which they lie in the process: found once, kept until the process runs on."""
    return _typed(target).catalogue


def typed_roots(target: Target) -> tuple[TypedRoot, ...]:
    """Return the variables whose types are known, each where it lies: those of all threads, each thread's own, and
    those of the threads' frames. Their types have the numbers of joined_catalogue()."""
    return _typed(target).roots


@dataclass(frozen=True)
class _Typed:
    """The catalogue, with types made up for local variables behind those of the modules, and all roots."""

    catalogue: Catalogue
    roots: tuple[TypedRoot, ...]

    @property
    def interrupted(self) -> bool:
        return self.catalogue.interrupted


@dataclass(frozen=True)
class _Joined:
    """The catalogue, and of each module the thread-local variables, their types numbered as in that."""

    catalogue: Catalogue
    thread_locals: list[tuple[Module, list[Variable]]]


_TYPED: Key[_Typed] = Key("types and typed roots")


def _typed(target: Target) -> _Typed:
    return target.keep(_TYPED, lambda _: _find(target))


def _find(target: Target) -> _Typed:
    from gdbheap.session.local_types import ToldTypes, local_roots
    from gdbheap.types.columns import ColumnTypes, NumbersByName  # numpy: kept out of gdb's start
    from gdbheap.types.derived import DerivedTypes

    known = _join(target)
    roots = list(_roots(target, known))
    catalogue = known.catalogue
    if len(catalogue.types):
        assert isinstance(catalogue.types, ColumnTypes)
        derived = DerivedTypes(catalogue.types.columns, target.process.pointer_size)
        roots += local_roots(ToldTypes(catalogue, derived), target.local_variables())
        columns = derived.columns()
        catalogue = replace(catalogue, types=ColumnTypes(columns), by_name=NumbersByName(columns))
    return _Typed(catalogue, tuple(roots))


def _join(target: Target) -> _Joined:
    from gdbheap.types.columns import ColumnTypes, NumbersByName, TypeColumns, no_types  # numpy: kept out of start
    from gdbheap.types.merge import joined

    parts: list[tuple[Module, Catalogue]] = []
    columns: list[TypeColumns] = []
    problems: list[str] = []
    interrupted = False
    for module in _modules(target):
        part = target.catalogue_of(module)
        problems += part.problems
        if len(part.types):
            assert isinstance(part.types, ColumnTypes)
            parts.append((module, part))
            columns.append(part.types.columns)
        if part.interrupted:
            interrupted = True
            break
    types, numbers = joined(columns) if columns else (no_types(), [])
    moved = _moved(target)
    statics: list[Variable] = []
    locals_: list[tuple[Module, list[Variable]]] = []
    for (module, part), new in zip(parts, numbers):
        variables = [replace(each, type=int(new[each.type]) if each.type != NONE else NONE) for each in part.variables]
        placed = [
            replace(each, place=each.place + module.load_base) for each in variables if each.storage == Storage.STATIC
        ]
        statics += [_where_it_lies(each, moved, module, target) for each in placed] if moved else placed
        locals_.append((module, [each for each in variables if each.storage == Storage.THREAD_LOCAL]))
    statics.sort(key=lambda each: each.place)
    return _Joined(Catalogue(ColumnTypes(types), statics, tuple(problems), NumbersByName(types), interrupted), locals_)


def _moved(target: Target) -> dict[str, tuple[str, int]]:
    """Return the linked name and the address, by C++'s name, of each variable of a library that lies in the program."""
    main = target.process.main
    if main is None or main.file is None:
        return {}
    from gdbheap.elf.copied_variables import copied_variables

    copied = copied_variables(main.file)
    return {target.demangled(name): (name, place + main.load_base) for name, place in copied.items()}


def _where_it_lies(variable: Variable, moved: dict[str, tuple[str, int]], module: Module, target: Target) -> Variable:
    linked, address = moved.get(variable.name, ("", 0))
    if not linked or variable.function or module == target.process.main:
        return variable
    from gdbheap.process.dynamic_symbols import DynamicSymbols
    from gdbheap.process.images.elf_image import read_image

    # A variable of this name that is the file's own has no symbol for others, or another's.
    image = read_image(target.process, module)
    exported = None if image is None else DynamicSymbols(target.process, image).address(linked)
    return replace(variable, place=address) if exported == variable.place else variable


def _modules(target: Target) -> Iterator[Module]:
    """Yield the modules that are scanned: the program, and the libraries that are not the system's own."""
    process = target.process
    if process.main is not None:
        yield process.main
    for module in process.modules:
        name = os.path.basename(module.path)
        if module != process.main and not _OF_THE_SYSTEM.fullmatch(name):
            yield module


def _roots(target: Target, known: _Joined) -> Iterator[TypedRoot]:
    for each in known.catalogue.variables:
        if each.type != NONE:
            yield TypedRoot(each.name, each.type, each.place, RootKind.STATIC, None, each.function)
    by_module = {module.path: variables for module, variables in known.thread_locals if variables}
    if not by_module:
        return
    from gdbheap.analysis.addresses.thread_locals import find_thread_storage  # kept out of gdb's start

    for block in find_thread_storage(target.process):
        for each in by_module.get(block.module.path, ()) if block.module is not None else ():
            address = block.start + each.place
            if each.type != NONE and address < block.end:
                place = (address, RootKind.THREAD_LOCAL, None)
                yield TypedRoot(each.name, each.type, *place, each.function, block.number)
