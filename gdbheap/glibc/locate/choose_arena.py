"""Which main_arena is the one in use: by symbol where there is one, else by its shape; libc's own, or that of a
malloc put before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.errors import SYMBOLS_HELP, HeapError, MemoryFault, NoHeap, NoSymbols, UnusedHeap
from gdbheap.glibc.layout import BUILT_IN, DWARF, SIGNATURE, SYMBOL, Located
from gdbheap.glibc.locate import builtin_structs
from gdbheap.glibc.locate.find_libc import Libc, data_ranges, other_mallocs
from gdbheap.glibc.locate.locate_arena import MAX_ARENAS, find_main_arenas, is_blank
from gdbheap.glibc.locate.locate_mp import find_mps
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import CStruct
from gdbheap.process.fact import Fact
from gdbheap.process.process import Process

# MALLOC_ALIGNMENT of all machines of today (i386 had 8 to glibc 2.25).
_USUAL_ALIGNMENT = 16


@dataclass(frozen=True)
class _Shape:
    """What struct malloc_state is like, how that is known, and MALLOC_ALIGNMENT."""

    malloc_state: CStruct
    source: str
    alignment: int


@dataclass(frozen=True)
class ChosenArena:
    """A main_arena and the libc it belongs to. `blank`: as before malloc's first use; `erased`: as it never is, all
    zeros; `used`: memory has been taken from the system for it; `on_brk`: by brk."""

    libc: Libc
    main_arena: Located
    malloc_state: CStruct
    struct_source: str
    alignment: int
    blank: bool
    erased: bool
    used: bool
    on_brk: bool
    notes: tuple[Fact, ...] = ()

    @property
    def address(self) -> int:
        """Where main_arena is."""
        return self.main_arena.value


def choose_arena(process: Process, libcs: list[Libc]) -> ChosenArena:
    """Return the main_arena in use; raise NoHeap where none has been used yet, NoSymbols where none is found or
    several may be it."""
    found = [arena for libc in libcs for arena in _arenas_of(process, libc)]
    # dlmopen's second libc takes its memory by mmap alone: brk serves the program's own (__libc_initial, glibc
    # malloc/arena.c)
    used = sorted((each for each in found if each.used), key=lambda each: not each.on_brk)
    # A preloaded libc_malloc_debug.so comes first, but serves only those who switch it on; until then libc's malloc is
    # used.
    for chosen in (*used, *(each for each in found if not each.libc.debug)):
        if chosen.erased:
            raise HeapError(
                f"main_arena at {chosen.address:#x} is zeros: it has been overwritten (before malloc's first use it "
                "is not)"
            )
        if chosen.blank:
            raise _not_used_yet(process)
        others = [each for each in used if each is not chosen]
        notes: list[Fact] = [clause("serves_malloc", path=chosen.libc.module.path)] if chosen.libc.debug else []
        notes += [
            clause("other_malloc_not_shown", main_arena=Address(each.address), path=each.libc.module.path)
            for each in others
        ]
        notes += [clause("defines_malloc", path=name) for name in other_mallocs(process)]
        return replace(chosen, notes=tuple(notes))
    raise _not_found(process, libcs)


def ring(process: Process, main_arena: int, struct: CStruct) -> list[int]:
    """Return the addresses of all arenas, main_arena first, as far as the ring can be followed."""
    found = [main_arena]
    seen = set(found)
    try:
        while len(found) < MAX_ARENAS:
            at = process.words.read(found[-1] + struct.offset("next"))
            if at in seen or not at:
                break
            process.words.read(at)
            found.append(at)
            seen.add(at)
    except (MemoryFault, OverflowError):
        pass
    return found


def _arenas_of(process: Process, libc: Libc) -> Iterator[ChosenArena]:
    """Yield the module's main_arena: at most one by symbol; by its shape all that fit, or raise NoSymbols where they
    are several."""
    address = libc.address("main_arena")
    if address is not None:
        shape = _shape_by_symbol(process, libc)
        if shape is not None:
            yield _chosen(process, libc, Located(address, SYMBOL), shape)
            return
    found = find_main_arenas(process, data_ranges(process, libc))
    if address is not None:
        found = [each for each in found if each.address == address]
    if len(found) > 1:
        places = ", ".join(f"{each.address:#x}" for each in found[:8])
        raise NoSymbols(f"several places in {libc.module.path} look like main_arena: {places}; {SYMBOLS_HELP}")
    for each in found:
        where = Located(each.address, SYMBOL if address is not None else SIGNATURE)
        yield _chosen(process, libc, where, _Shape(each.malloc_state, SIGNATURE, each.alignment))


def _shape_by_symbol(process: Process, libc: Libc) -> _Shape | None:
    """Return struct malloc_state from DWARF, or the built-in generation that is as large as main_arena's symbol
    says."""
    struct = libc.symbols.structs.get("malloc_state")
    if struct is not None and _is_whole(struct):
        return _Shape(struct, DWARF, _alignment(struct, process.pointer_size))
    size = libc.symbols.symbols["main_arena"].size
    for word, alignment in builtin_structs.word_and_alignments():
        for each in builtin_structs.malloc_states(word, alignment) if word == process.pointer_size else ():
            if each.size == size:
                return _Shape(each, BUILT_IN, _alignment(each, process.pointer_size))
    return None


def _is_whole(struct: CStruct) -> bool:
    """Whether debug info gave every member that the decoders need, with sensible sizes."""
    needed = ("top", "last_remainder", "bins", "binmap", "next", "next_free", "system_mem", "flags")
    return all(each in struct and struct[each].size for each in needed) and struct["bins"].count == 254


def _alignment(struct: CStruct, pointer_size: int) -> int:
    """Return MALLOC_ALIGNMENT: the number of fastbins tells; without fastbins (2.43) it is 16 everywhere."""
    count = struct["fastbinsY"].count if "fastbinsY" in struct else 0
    fitting = (
        alignment
        for size, alignment in builtin_structs.word_and_alignments()
        if size == pointer_size and builtin_structs.fastbin_count(size, alignment) == count
    )
    return next(fitting, _USUAL_ALIGNMENT)


def _chosen(process: Process, libc: Libc, where: Located, shape: _Shape) -> ChosenArena:
    try:
        value = shape.malloc_state.read(process.memory, where.value)
        blank, used = is_blank(value), value["system_mem"] > 0
        # In the file it leads to itself, once it is relocated, and has one thread.
        erased = blank and "attached_threads" in value and not value["next"] and not value["attached_threads"]
        top = process.address_space.find(value["top"])
        on_brk = top is not None and top.path == "[heap]"
    except MemoryFault:
        # Known by its symbol, but not to be read (a core without it): the decoders will say so.
        blank, erased, used, on_brk = False, False, not libc.debug, False
    return ChosenArena(libc, where, shape.malloc_state, shape.source, shape.alignment, blank, erased, used, on_brk)


def _not_used_yet(process: Process) -> NoHeap:
    others = other_mallocs(process)
    if others:
        return NoHeap(
            f"glibc's malloc has not been used: {' and '.join(others)} defines malloc, and serves it in its place (a "
            "later stop shows a heap here only if it takes memory from libc)"
        )
    return UnusedHeap("malloc has not been used yet: main_arena is empty. Stop later, after the first malloc")


def _not_found(process: Process, libcs: list[Libc]) -> NoHeap | NoSymbols:
    """Return the error that tells best why there is no main_arena."""
    libc = libcs[-1]
    for each in libcs:
        ranges = data_ranges(process, each)
        for fastbins in (True, False):
            structs = builtin_structs.malloc_pars(process.pointer_size, fastbins)
            if any(mp.untouched for mp in find_mps(process, ranges, structs, None)):
                return _not_used_yet(process)
    if libc.static:
        return NoHeap(
            f"no libc is loaded, and {libc.module.path} has no glibc malloc in its data that can be recognised (or "
            "has not used it yet)"
        )
    reason = "; ".join(libc.symbols.missing)
    return NoSymbols(
        f"cannot find main_arena in {libc.module.path}{f' ({reason})' if reason else ''}: "
        f"either malloc has not been used yet, or its data is overwritten; {SYMBOLS_HELP}"
    )
