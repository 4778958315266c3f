"""Every field that malloc keeps in a process's memory, and which wrong values of it nobody can tell from right ones.

This is the oracle of the random corruption. fields() says where each field is, from a heap known to be whole;
excuse() says why a value cannot be noticed. No excuse means that malloc relies on the field, so that `heap check`
must tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import Arena, HeapView
from gdbheap.glibc.sizes import min_large_size
from gdbheap.process.cstruct import CStruct
from gdbheap.process.process import Process

BINNED = (State.UNSORTED, State.SMALL, State.LARGE)
LINKS = ("fd", "bk", "fd_nextsize", "bk_nextsize")

SETTINGS = frozenset(
    (
        "trim_threshold",
        "top_pad",
        "mmap_threshold",
        "arena_test",
        "arena_max",
        "thp_mode",
        "thp_pagesize",
        "hp_pagesize",
        "hp_flags",
        "n_mmaps_max",
        "no_dyn_threshold",
        "tcache_bins",
        "tcache_small_bins",
        "tcache_max_bytes",
        "tcache_count",
        "tcache_unsorted_limit",
    )
)
MAXIMA = frozenset(("max_system_mem", "max_n_mmaps", "max_mmapped_mem"))


@dataclass(frozen=True)
class Field:
    """`size` bytes at `where` of the chunk, arena, heap, tcache or mp_ at `owner`: `kind` names it for the table,
    `member` for the code; `index` is its place in an array."""

    kind: str
    member: str
    where: int
    size: int
    owner: int
    index: int = 0


def fields(process: Process, view: HeapView) -> Iterator[Field]:
    """Yield every field of malloc's in a heap that is whole."""
    yield from _of_chunks(view)
    for arena in view.arenas:
        yield from _of_struct(process, view.layout.malloc_state, "arena", arena.address)
        for region in () if arena.is_main else arena.regions:
            yield from _of_struct(process, view.layout.heap_info, "heap_info", region.mapping)
    for thread in view.layout.threads:
        if thread.tcache is not None and view.layout.tcache_struct is not None:
            yield from _of_struct(process, view.layout.tcache_struct, "tcache", thread.tcache.value)
    assert view.parameters is not None
    yield from _of_struct(process, view.parameters.struct, "mp_", view.parameters.address)


def _of_struct(process: Process, struct: CStruct, name: str, address: int) -> Iterator[Field]:
    """Yield the members, item by item; an array's items that are in use apart from those that are empty."""
    value = struct.read(process.memory, address)
    for member, field in struct.fields.items():
        if member == "pad":
            continue
        for index, held in enumerate(value.array(member)):
            where = address + field.offset + index * field.item_size
            kind = f"{name}.{member}"
            if member in ("fastbinsY", "entries") and not held:
                kind += " (empty)"
            if member == "bins" and held == address + field.offset + (index // 2 - 1) * 2 * field.item_size:
                kind += " (empty)"
            yield Field(kind, member, where, field.item_size, address, index)


def _of_chunks(view: HeapView) -> Iterator[Field]:
    pointer_size, header = view.layout.pointer_size, view.layout.header
    before: Chunk | None = None
    for chunk in view.table:
        at = chunk.address
        yield Field(
            f"size of {'mmapped' if chunk.is_mmapped else chunk.state.label}",
            "size",
            at + pointer_size,
            pointer_size,
            at,
        )
        if chunk.is_mmapped or (before is not None and before.end == at and before.state in BINNED):
            yield Field(f"prev_size{' of mmapped' if chunk.is_mmapped else ''}", "prev_size", at, pointer_size, at)
        for index, name in enumerate(_links(view, chunk)):
            yield Field(f"{name} of {chunk.state.label}", name, at + header + index * pointer_size, pointer_size, at)
        before = chunk


def _links(view: HeapView, chunk: Chunk) -> tuple[str, ...]:
    if chunk.state is State.TCACHE:
        return ("next", "key")
    if chunk.state is State.FASTBIN:
        return ("fd",)
    if chunk.state in BINNED:
        return LINKS if chunk.size >= min_large_size(view.layout.pointer_size, view.layout.alignment) else LINKS[:2]
    return ()


def excuse(view: HeapView, field: Field, old: int, new: int) -> str:
    """Return why nobody can tell that the field must hold `old` and not `new`; "" where malloc would act wrongly."""
    if field.kind in ("arena.fastbinsY", "fd of fastbin"):
        mangled = field.kind != "arena.fastbinsY" and view.layout.safe_linking
        target = new ^ (field.where >> 12) if mangled else new
        was = old ^ (field.where >> 12) if mangled else old
        place, held = view.place_of(target), view.place_of(was)
        onward = place is not None and held is not None and place.bin is held.bin and place.position > held.position
        return (
            "the list is shorter: fast chunks that no list holds look like blocks in use"
            if not target or onward
            else ""
        )
    if field.member == "size":
        return _of_size(view, field, new)
    if field.member in MAXIMA:
        return "a maximum that nothing else remembers" if new > old else ""
    if field.kind.startswith("mp_."):
        return "a setting: it may have been asked for" if field.member in SETTINGS else ""
    if field.kind.startswith("arena."):
        arena = next(each for each in view.arenas if each.address == field.owner)
        return _of_arena(view, arena, field, old, new)
    return ""


def _of_size(view: HeapView, field: Field, new: int) -> str:
    chunk = view.chunk_at(field.owner)
    if (
        chunk is None
        or chunk.state not in (State.IN_USE, State.MALLOC_OWNED)
        or chunk.is_mmapped
        or new & 7 != chunk.flags
    ):
        return ""
    end = field.owner + (new & ~7)
    row = view.table.row_of(end)
    if row is None or end <= chunk.address or view.table[row].arena != chunk.arena:
        return ""
    passed = [each for each in view.table if chunk.end <= each.address < end]
    if all(each.state in (State.IN_USE, State.MALLOC_OWNED) for each in passed):
        return "the block ends where another begins, over blocks in use: the heap is whole"
    return ""


def _of_arena(view: HeapView, arena: Arena, field: Field, old: int, new: int) -> str:
    if field.member == "mutex":
        return "a mutex that is taken" if new in (1, 2) else ""
    if field.member == "have_fastchunks":
        holds = any(each.kind == "fastbin" and each.arena == arena.index for each in view.bins)
        return "" if new > 1 or (holds and not new) else "1 without fast chunks, until the next malloc_consolidate"
    if field.member == "attached_threads" and old < new <= 1 << 22:
        return "more threads than there are: a fork by hand leaves it so"
    if field.member == "last_remainder":
        return "only compared with a chunk's address, and may be stale"
    if field.member == "next_free" and arena.value["attached_threads"]:
        return "left over: read only while no thread uses the arena"
    if field.member == "binmap":
        used = {each.index for each in view.bins if each.arena == arena.index and each.kind in ("small", "large")}
        lost = {field.index * 32 + bit for bit in range(32) if old & ~new & 1 << bit}
        return "" if used & lost else "the bit of an empty bin, cleared when malloc comes to it"
    return ""
