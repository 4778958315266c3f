"""make_layout with no symbols at all: on the data of every glibc generation, on damaged data, and on anything."""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass, replace

import pytest

from gdbheap.errors import SYMBOLS_HELP, HeapError, NoHeap, NoSymbols
from gdbheap.glibc.layout import SIGNATURE, Located
from gdbheap.glibc.locate import builtin_structs as built_in
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.process import Module, Process
from gdbheap.process.symbols import ModuleSymbols
from gdbheap.sentences.facts.said import said, said_all
from support.made_libc import ARENA, DATA, HEAP, HEAP_END, LIBC, MP, POINTER, TLS, TOP, MadeProcess


def nothing(module: Module) -> ModuleSymbols:
    return ModuleSymbols(missing=(f"{module.path} cannot be opened here",))


@dataclass(frozen=True)
class Generation:
    name: str
    alignment: int
    state: tuple[bool, bool]
    par: dict[str, object]
    tcache: str | None


def par(tcache: str, **traits: bool) -> dict[str, object]:
    return {"tcache": tcache, **traits}


WIDE = [
    Generation("2.23", 16, (True, False), par("", max_total_mem=True), None),
    Generation("2.25", 16, (True, False), par(""), None),
    Generation("2.26.0", 16, (True, False), par("tcache_bins"), "char"),
    Generation("2.27", 16, (True, True), par("tcache_bins"), "char"),
    Generation("2.31", 16, (True, True), par("tcache_bins"), "u16"),
    Generation("2.36", 16, (True, True), par("tcache_bins", hugetlb=True), "u16"),
    Generation("2.42", 16, (True, True), par("tcache_small_bins", hugetlb=True), "slots"),
    Generation(
        "2.44", 16, (False, False), par("tcache_small_bins", hugetlb=True, thp_mode=True, unsorted_limit=False), "slots"
    ),
]
OLD_I386 = [Generation("2.23", 8, (True, False), par("", max_total_mem=True), None)]
GENERATIONS = [(8, each) for each in WIDE] + [
    (4, each) for each in OLD_I386 + [each for each in WIDE if each.tcache is not None]
]
ALL = pytest.mark.parametrize(("word", "generation"), GENERATIONS, ids=lambda x: str(getattr(x, "name", x)))


def made(pointer_size: int, generation: Generation) -> MadeProcess:
    return MadeProcess(
        pointer_size,
        built_in.malloc_state(pointer_size, generation.alignment, *generation.state),
        built_in.malloc_par(pointer_size, **generation.par),
        built_in.tcache_perthread_struct(pointer_size, generation.tcache) if generation.tcache else None,
        generation.alignment,
    )


MODERN = made(8, WIDE[5])


def found(address: int) -> Located:
    return Located(address, SIGNATURE)


@ALL
def test_every_generation_is_known_by_its_shape(word, generation):
    image = made(word, generation)
    layout = make_layout(image.process(), nothing)
    assert (layout.main_arena, layout.malloc_state, layout.alignment) == (found(ARENA), image.state, image.alignment)
    assert (layout.mp, layout.malloc_par) == (found(MP), image.par)
    assert layout.brk == found(HEAP_END)
    (thread,) = layout.threads
    if generation.tcache is None:
        assert said(layout.missing["tcache_struct"]) == "this malloc has no tcaches"
    else:
        assert layout.tcache_struct == image.tcache
        assert (thread.tcache, thread.arena) == (found(image.first + 2 * word), found(ARENA))


@pytest.mark.parametrize("damaged", [1, 60, 110])
def test_damaged_bins_do_not_hide_the_arena(damaged):
    image = made(8, WIDE[5])
    choose = random.Random(damaged)
    bins = ARENA - DATA + image.state.offset("bins")
    for index in choose.sample(range(127), damaged):
        image.put(image.data, bins + 16 * index, choose.randrange(1 << 64), choose.randrange(1 << 64))
    assert make_layout(image.process(), nothing).main_arena == found(ARENA)


def test_two_arenas_that_both_fit_are_no_answer():
    image = made(8, WIDE[5])
    size, other = image.state.size, 0x1A00
    copy = bytearray(image.data[ARENA - DATA : ARENA - DATA + size])
    for at in range(0, size, 8):
        value = int.from_bytes(copy[at : at + 8], "little")
        if ARENA <= value < ARENA + size:
            image.put(copy, at, value - ARENA + DATA + other)
    image.data[other : other + size] = copy
    with pytest.raises(NoSymbols) as error:
        make_layout(image.process(), nothing)
    assert str(error.value) == (
        f"several places in {LIBC} look like main_arena: {ARENA:#x}, {DATA + other:#x}; "
        "libc's debug symbols (Debian, Ubuntu: apt install libc6-dbg) make this certain"
    )


def test_a_malloc_that_was_never_used_is_told_from_one_that_is_overwritten():
    image = made(8, WIDE[5])
    image.data[ARENA - DATA : ARENA - DATA + image.state.size] = bytes(image.state.size)
    with pytest.raises(NoSymbols) as overwritten:
        make_layout(image.process(), nothing)
    assert str(overwritten.value) == (
        f"cannot find main_arena in {LIBC} ({LIBC} cannot be opened here): either malloc has not been used yet, or its "
        "data is overwritten; libc's debug symbols (Debian, Ubuntu: apt install libc6-dbg) make this certain"
    )
    image.put_member(image.data, MP - DATA, image.par, "sbrk_base", 0)
    with pytest.raises(NoHeap, match=r"^malloc has not been used yet"):
        make_layout(image.process(), nothing)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (
            "/lib/ld-musl-x86_64.so.1",
            "this process uses ld-musl-x86_64.so.1, not glibc: gdbheap reads glibc's malloc only",
        ),
        (
            "/usr/bin/program",
            "no libc is mapped, and the program's own file is not known: give gdb the program (`file PROGRAM`)",
        ),
    ],
)
def test_without_glibc_one_line_tells(path, error):
    process = MODERN.process()
    other = Process(process.kind, X86_64, process.memory, process.address_space, (), modules=(Module(path, None, 0),))
    with pytest.raises(NoHeap) as raised:
        make_layout(other, nothing)
    assert str(raised.value) == error


def test_another_malloc_in_the_process_is_told_of():
    image = made(8, WIDE[5])
    process = image.process()
    loaded = replace(process, modules=(*process.modules, Module("/usr/lib/libjemalloc.so.2", None, 0)))
    assert said_all(make_layout(loaded, nothing).notes) == (
        "libjemalloc.so.2 defines malloc: blocks that it does not take from libc are not in this heap",
    )
    image.data[ARENA - DATA : ARENA - DATA + image.state.size] = bytes(image.state.size)
    image.put_member(image.data, MP - DATA, image.par, "sbrk_base", 0)
    with pytest.raises(NoHeap, match=r"libjemalloc\.so\.2 defines malloc, and serves it in its place"):
        make_layout(replace(loaded, memory=image.process().memory), nothing)


@pytest.mark.parametrize(("mangled", "key"), [(True, 0x1234567890ABCDE1), (False, 0)])
def test_real_lists_tell_safe_linking_and_the_key(mangled, key):
    image = made(8, WIDE[5])
    tcache = image.first + 0x10
    for index, mems in enumerate(([HEAP + 0x400, HEAP + 0x440], [HEAP + 0x500])):
        image.put(image.heap, tcache - HEAP + 128 + 8 * index, mems[0])
        for mem, target in zip(mems, [*mems[1:], 0]):
            image.put(image.heap, mem - HEAP, target ^ (mem >> 12 if mangled else 0), key or tcache)
    layout = make_layout(image.process(), nothing)
    assert (layout.safe_linking, layout.sources["safe_linking"]) == (mangled, SIGNATURE)
    assert layout.tcache_key == (key or None)


def test_nothing_tells_safe_linking_where_all_lists_are_empty():
    layout = make_layout(made(8, WIDE[5]).process(), nothing)
    assert layout.safe_linking is None
    assert said(layout.missing["safe_linking"]) == f"no list in a tcache or fastbin tells; {SYMBOLS_HELP}"


def test_a_thread_whose_tls_holds_nothing_of_mallocs_is_not_known():
    image = made(8, WIDE[5])
    image.tls[: POINTER - TLS] = bytes(POINTER - TLS)
    (thread,) = make_layout(image.process(), nothing).threads
    assert (thread.tcache, thread.arena, thread.is_known) == (None, None, False)
    assert said(thread.reason) == "tcache is not found in its TLS; thread_arena is not found in its TLS"


def test_a_thread_whose_control_block_does_not_name_itself_is_not_known():
    image = made(8, WIDE[5])
    image.put(image.tls, POINTER - TLS, 0)
    (thread,) = make_layout(image.process(), nothing).threads
    assert (thread.tcache, thread.arena, thread.is_known) == (None, None, False)
    assert said(thread.reason) == f"its control block at {POINTER:#x} is missing or overwritten"


def test_segments_as_large_as_all_memory_are_searched_no_further_than_is_mapped():
    image = made(8, WIDE[5])
    segment = (1, 6, 0, 0x2000_0000_0000_0000, 0x2000_0000_0000_0000, 4096)
    elf = b"\x7fELF\2\1\1".ljust(32, b"\0") + (64).to_bytes(8, "little") + bytes(14) + b"\x38\0\1\0" + bytes(6)
    image.data[: len(elf) + 56] = elf + struct.pack("<IIQQQQQQ", *segment[:2], 0, segment[2], 0, *segment[3:])
    process = replace(image.process(), modules=(Module(LIBC, None, DATA),))
    assert make_layout(process, nothing).main_arena == found(ARENA)


def test_damage_anywhere_never_raises_what_is_no_heap_error():
    seed = os.environ.get("GDBHEAP_SEED", "1")
    print("seed", seed)
    choose = random.Random(seed)
    interesting = [0, 1, 2**64 - 1, 2**63, ARENA, ARENA + 8, MP, HEAP, HEAP_END, TOP, POINTER, HEAP_END - 8, DATA - 8]
    for word, generation in GENERATIONS * 8:
        image = made(word, generation)
        for _ in range(choose.choice((1, 5, 50))):
            place = choose.choice((image.data, image.heap, image.tls))
            offset = choose.randrange(0, len(place), word)
            if place is image.data and choose.random() < 0.8:
                offset = choose.randrange(MP - DATA, ARENA - DATA + image.state.size, word)
            value = choose.choice(interesting) if choose.random() < 0.7 else choose.randrange(1 << 64)
            image.put(place, offset, value % (1 << 8 * word))
        try:
            layout = make_layout(image.process(), nothing)
        except HeapError:
            continue
        assert layout.main_arena.source == SIGNATURE
