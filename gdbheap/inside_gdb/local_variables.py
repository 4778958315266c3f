"""The local variables and arguments of all threads' frames that may hold pointers, as gdb tells of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import islice

import gdb

from gdbheap.inside_gdb.references import REFERENCES
from gdbheap.inside_gdb.selection import select, selection_kept
from gdbheap.inside_gdb.text import text_of
from gdbheap.process.process import Process
from gdbheap.types.catalogue import TypeKind
from gdbheap.types.local_variable import POINTER_TO, LocalVariable, ToldType

_MOST_THREADS = 256
_MOST_FRAMES = 64
_MOST_SYMBOLS = 512
# So many places of a function are asked for the blocks that they are in.
_MOST_PLACES = 64
_MOST_VARIABLES = 20_000
_MOST_MEMBERS = 32
_DEEPEST = 16
_KINDS = {
    gdb.TYPE_CODE_STRUCT: TypeKind.STRUCT,
    gdb.TYPE_CODE_UNION: TypeKind.UNION,
    gdb.TYPE_CODE_INT: TypeKind.SCALAR,
    gdb.TYPE_CODE_CHAR: TypeKind.CHARACTER,
    gdb.TYPE_CODE_BOOL: TypeKind.SCALAR,
    gdb.TYPE_CODE_FLT: TypeKind.SCALAR,
    gdb.TYPE_CODE_ENUM: TypeKind.SCALAR,
    gdb.TYPE_CODE_VOID: TypeKind.OPAQUE,
}


def local_variables(process: Process) -> tuple[LocalVariable, ...]:
    """Return those of the innermost frames of every thread. The user's thread and frame are put back."""
    with selection_kept() as selected:
        if selected is None:
            return ()
        return tuple(islice(_of_threads(selected, process.pointer_size), _MOST_VARIABLES))


def types_in_function(address: int) -> tuple[ToldType, ...]:
    """Return the types of the variables and arguments of the function that begins at an address."""
    found: dict[ToldType, None] = {}
    try:
        block: gdb.Block | None = gdb.block_for_pc(address)
        while block is not None and block.superblock is not None and not block.superblock.is_static:
            block = block.superblock
        if block is None or block.start != address or block.is_static or block.is_global:
            return ()
        # (gdb tells of a block what it is in, not what is in it.)
        step = max((block.end - block.start) // _MOST_PLACES, 1)
        seen: set[tuple[int, int]] = set()
        for place in range(block.start, block.end, step):
            for symbol in _symbols_at(place, seen):
                told = None if symbol.type is None else told_type(symbol.type)
                if told is not None:
                    found[told] = None
    except (gdb.error, RuntimeError, ValueError, TypeError):
        pass
    return tuple(found)


def _symbols_at(place: int, seen: set[tuple[int, int]]) -> Iterator[gdb.Symbol]:
    """Yield the variables of the function's blocks that an address of code is in, but for those that were seen."""
    block: gdb.Block | None = gdb.block_for_pc(place)
    while block is not None and not block.is_static and not block.is_global:
        bounds = block.start, block.end
        if bounds not in seen:
            seen.add(bounds)
            for symbol in islice(block, _MOST_SYMBOLS):
                if symbol.is_variable or symbol.is_argument:
                    yield symbol
        block = block.superblock


def _of_threads(selected: gdb.InferiorThread, pointer_size: int) -> Iterator[LocalVariable]:
    told: dict[str, ToldType | None] = {}
    for thread in gdb.selected_inferior().threads()[:_MOST_THREADS]:
        if not thread.is_valid() or thread.is_running():
            continue
        try:
            if thread != gdb.selected_thread():
                select(thread)
            frame: gdb.Frame | None = gdb.newest_frame()
            for level in range(_MOST_FRAMES):
                if frame is None:
                    break
                yield from _of_frame(frame, thread.num, level, told)
                frame = frame.older()
        except gdb.error:
            continue  # the rest of the stack cannot be unwound


def _of_frame(frame: gdb.Frame, thread: int, level: int, told: dict[str, ToldType | None]) -> Iterator[LocalVariable]:
    try:
        block: gdb.Block | None = frame.block()
    except RuntimeError:
        return  # no debug information
    function = text_of(frame.name) or ""
    while block is not None:
        for symbol in islice(block, _MOST_SYMBOLS):
            if (symbol.is_variable or symbol.is_argument) and symbol.addr_class != gdb.SYMBOL_LOC_STATIC:
                found = _local(symbol, frame, (thread, level, function), told)
                if found is not None:
                    yield found
        if block.function:
            return
        block = block.superblock


def _local(
    symbol: gdb.Symbol,
    frame: gdb.Frame,
    whose: tuple[int, int, str],
    told: dict[str, ToldType | None],
) -> LocalVariable | None:
    """Return a variable of a frame; `whose` are its thread, level and function."""
    try:
        value = symbol.value(frame)
        if value.is_optimized_out:
            return None
        kind = value.type  # (of an array of variable length, as long as it is here)
        spelled = f"{kind} {kind.sizeof}"
        if "{...}" in spelled:  # gdb's word for all that have no name
            told.pop(spelled, None)
        if spelled not in told:
            told[spelled] = told_type(kind)
        type_ = told[spelled]
        if type_ is None:
            return None
        address, word = _place(value, kind.strip_typedefs().code)
    except (gdb.error, ValueError, TypeError, OverflowError):
        return None
    if not address and word is None:
        return None
    name = text_of(functools.partial(getattr, symbol, "name")) or "?"
    return LocalVariable(name, type_, address, word, *whose)


def _place(value: gdb.Value, code: int) -> tuple[int, int | None]:
    """Return the address of a variable, or 0 and the word that it holds."""
    mask = (1 << 64) - 1
    if code in REFERENCES:
        target = value.referenced_value().address
        return 0, None if target is None else int(target) & mask
    if value.address is not None:
        return int(value.address) & mask, None
    return 0, int(value) & mask if code == gdb.TYPE_CODE_PTR else None


def told_type(kind: gdb.Type) -> ToldType | None:
    """Return a type in gdb's words; None for one that holds no pointer to data."""
    steps: list[int] = []
    name = ""
    for _ in range(_DEEPEST):
        kind = kind.unqualified()
        if kind.code == gdb.TYPE_CODE_TYPEDEF:
            name = text_of(functools.partial(getattr, kind, "name")) or ""
            kind = kind.target()
        elif kind.code == gdb.TYPE_CODE_PTR or kind.code in REFERENCES:
            steps.append(POINTER_TO)
            name, kind = "", kind.target()
        elif kind.code == gdb.TYPE_CODE_ARRAY:
            if kind.dynamic:  # gdb 10 fails itself when it is asked for the range
                return None
            low, high = kind.range()
            if high < low:
                return None  # of variable length, and not known
            steps.append(int(high - low + 1))
            name, kind = "", kind.target()
        else:
            return _named(kind, tuple(steps), name)
    return None


def _named(kind: gdb.Type, steps: tuple[int, ...], typedef: str) -> ToldType | None:
    """Return a type that is no pointer or array; `typedef` names it where it has no name of its own."""
    if kind.code not in _KINDS or (
        kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and POINTER_TO not in steps
    ):
        return None
    own = text_of(functools.partial(getattr, kind, "name")) or typedef
    size = 0 if kind.code == gdb.TYPE_CODE_VOID else int(kind.sizeof)
    return ToldType(steps, _KINDS[kind.code], own, size, _members(kind))


def _members(kind: gdb.Type) -> tuple[tuple[str, int], ...]:
    if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return ()
    found = []
    for each in islice(kind.fields(), _MOST_MEMBERS):
        place = getattr(each, "bitpos", None)
        if place is not None and not each.bitsize and not each.is_base_class and each.name:
            found.append((str(each.name), int(place) // 8))
    return tuple(found)
