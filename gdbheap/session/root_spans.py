"""The variables that root words of this stop lie in: by their types' debug information, else by the symbol tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.addresses.thread_locals import ThreadStorage, find_thread_storage
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.session.block_types import plain_types
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.target import Key, Target
from gdbheap.types.type_names import size_of
from gdbheap.types.typed_root import RootKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.analysis.retained.root_groups import RootGroups, Span
    from gdbheap.elf.data_symbols import DataSymbols
    from gdbheap.process.process import Module

_GROUPS: Key[RootGroups] = Key("root groups")


def root_groups(target: Target) -> RootGroups:
    """Return the roots of this stop by variable."""
    from gdbheap.analysis.retained.root_groups import GLOBAL, RootGroups, apart  # kept out of gdb's start

    held = pointer_graph(target)

    def group(_: object) -> RootGroups:
        place = held.from_roots.place
        named = [*_statics(target, place), *_thread_locals(target, place), *_in_registers(target, held)]
        shown = {each.start for each in named if each.kind == GLOBAL}
        typed = [replace(each, kind=GLOBAL) if each.start in shown else each for each in _typed(target)]
        return RootGroups(held, apart(typed, named))

    return target.keep(_GROUPS, group)


def _typed(target: Target) -> Iterator[Span]:
    from gdbheap.analysis.retained.root_groups import LOCAL, STATIC, THREAD_LOCAL, Span

    kinds = {RootKind.STATIC: STATIC, RootKind.THREAD_LOCAL: THREAD_LOCAL, RootKind.LOCAL: LOCAL}
    types = plain_types(target)
    for root in types.roots:
        size = size_of(types.catalogue, root.type)
        if root.word is None and size:
            yield Span(root.address, root.address + size, kinds[root.kind], root.name, type=root.type)


def _in_registers(target: Target, held: PointerGraph) -> Iterator[Span]:
    """Yield where variables that lie in registers are on the stack: a function that was called from there has saved
    them, those of the outermost frames furthest up."""
    from gdbheap.analysis.pointers.roots import STACK
    from gdbheap.analysis.retained.root_groups import LOCAL, Span

    wanted = [each for each in plain_types(target).roots if each.word is not None and each.thread is not None]
    if not wanted:
        return
    words = np.array([each.word for each in wanted], np.uint64)
    pointers = held.from_roots
    value = held.blocks.start[pointers.target] + pointers.offset.astype(np.uint64)
    chosen = np.isin(value, words)
    place, value = pointers.place[chosen], value[chosen]
    free: dict[tuple[int | None, int], list[int]] = {}
    for stack in (each for each in held.roots.ranges if each.kind == STACK):
        low, high = np.searchsorted(place, np.array([stack.start, stack.end], np.uint64)).tolist()
        for address, word in zip(place[low:high].tolist(), value[low:high].tolist()):
            free.setdefault((stack.thread, word), []).append(address)
    size = target.process.pointer_size
    for root in reversed(wanted):  # the outermost frames are the last
        places = free.get((root.thread, root.word or 0))
        if places:
            start = places.pop()
            yield Span(start, start + size, LOCAL, root.name, type=root.type)


def _statics(target: Target, place: NDArray[np.uint64]) -> Iterator[Span]:
    """Yield the variables of the modules' data that have such places."""
    from gdbheap.analysis.retained.root_groups import GLOBAL, STATIC, Span

    for module in target.process.modules:
        segments = [(each.start, each.end) for each in module.segments if "w" in each.permissions]
        rows = np.concatenate([_between(place, *each) for each in segments]) if segments else place[:0]
        if not len(rows):
            continue
        symbols = _symbols(target, module)
        base = np.uint64(module.load_base & (1 << 64) - 1)
        file = os.path.basename(module.path)
        for index in distinct(symbols.find(rows - base)).tolist():
            if index >= 0:
                start, end = (int(each[index]) + module.load_base for each in (symbols.start, symbols.end))
                kind = GLOBAL if symbols.is_global[index] else STATIC
                yield Span(start, end, kind, target.demangled(symbols.name(index)), module=file)


def _symbols(target: Target, module: Module) -> DataSymbols:
    from gdbheap.elf.data_symbols import data_symbols  # brings pyelftools

    kept: Key[DataSymbols] = Key(("data symbols", module.path))
    return target.keep(kept, lambda _: data_symbols(module, target.debug_search()))


def _thread_locals(target: Target, place: NDArray[np.uint64]) -> Iterator[Span]:
    """Yield the thread-local variables that have such places; where no file names one, the single word."""
    from gdbheap.analysis.retained.root_groups import THREAD_LOCAL, Span

    for storage in find_thread_storage(target.process):
        for address in _between(place, storage.start, storage.end).tolist():
            name, start, size = _thread_local(target, storage, address)
            file = "" if storage.module is None else os.path.basename(storage.module.path)
            yield Span(start, start + size, THREAD_LOCAL, name, storage.number, module=file)


def _thread_local(target: Target, storage: ThreadStorage, address: int) -> tuple[str, int, int]:
    """Return the name, place and size of what lies there."""
    offset, pointer_size = address - storage.start, target.process.pointer_size
    if storage.module is None:
        return f"libc's struct pthread + {offset:#x}", address, pointer_size
    name = target.thread_local_at(storage.module, offset)
    if name is None:
        return f"thread-local storage + {offset:#x}", address, pointer_size
    return name.name, address - name.offset, max(name.offset + pointer_size, pointer_size)


def _between(place: NDArray[np.uint64], start: int, end: int) -> NDArray[np.uint64]:
    """Return the places (which ascend) in [start, end)."""
    low, high = np.searchsorted(place, np.array([start, end], np.uint64)).tolist()
    return place[low:high]
