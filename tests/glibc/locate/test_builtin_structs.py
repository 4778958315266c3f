"""The built-in structs against what glibc's own debug info and sources say of each generation."""

from __future__ import annotations

import pytest

from gdbheap.glibc.locate import builtin_structs as built_in


@pytest.mark.parametrize(
    ("word", "alignment", "fastbins", "have_fastchunks", "top", "bins", "system_mem", "size"),
    [
        (8, 16, True, False, 0x58, 0x68, 0x880, 0x890),
        (8, 16, True, True, 0x60, 0x70, 0x888, 0x898),
        (8, 16, False, False, 0x8, 0x18, 0x830, 0x840),
        (4, 8, True, False, 0x30, 0x38, 0x44C, 0x454),
        (4, 16, True, False, 0x34, 0x3C, 0x450, 0x458),
        (4, 16, True, True, 0x38, 0x40, 0x454, 0x45C),
        (4, 8, True, True, 0x34, 0x3C, 0x450, 0x458),
        (4, 16, False, False, 0x8, 0x10, 0x424, 0x42C),
    ],
)
def test_malloc_state(word, alignment, fastbins, have_fastchunks, top, bins, system_mem, size):
    struct = built_in.malloc_state(word, alignment, fastbins, have_fastchunks)
    assert (struct.offset("top"), struct.offset("bins"), struct.offset("system_mem"), struct.size) == (
        top,
        bins,
        system_mem,
        size,
    )
    assert struct["bins"].count == 254


@pytest.mark.parametrize(
    ("word", "sizes", "n_mmaps_max", "sbrk_base"),
    [
        (
            8,
            [0x88, 0x90, 0x88, 0x88, 0x70, 0x50, 0x58],
            [0x48, 0x48, 0x40, 0x40, 0x2C, 0x2C, 0x2C],
            [0x68, 0x68, 0x60, 0x60, 0x48, 0x48, 0x50],
        ),
        (
            4,
            [0x4C, 0x50, 0x4C, 0x4C, 0x40, 0x30, 0x34],
            [0x28, 0x28, 0x24, 0x24, 0x18, 0x18, 0x18],
            [0x3C, 0x3C, 0x38, 0x38, 0x2C, 0x2C, 0x30],
        ),
    ],
)
def test_malloc_par(word, sizes, n_mmaps_max, sbrk_base):
    structs = [*built_in.malloc_pars(word, fastbins=False), *built_in.malloc_pars(word, fastbins=True)]
    assert [each.size for each in structs] == sizes
    assert [each.offset("n_mmaps_max") for each in structs] == n_mmaps_max
    assert [each.offset("sbrk_base") for each in structs] == sbrk_base


@pytest.mark.parametrize(("word", "sizes"), [(8, [0x70, 0x68, 0x50]), (4, [0x40, 0x3C, 0x30])])
def test_malloc_par_of_libc_malloc_debug(word, sizes):
    structs = [each for fastbins in (False, True) for each in built_in.malloc_pars(word, fastbins, tcache=False)]
    assert [each.size for each in structs] == sizes


@pytest.mark.parametrize(("word", "sizes"), [(8, [0x2F8, 0x280, 0x240]), (4, [0x1C8, 0x180, 0x140])])
def test_tcache_perthread_struct(word, sizes):
    assert [each.size for each in built_in.tcache_structs(word)] == sizes


@pytest.mark.parametrize(
    ("word", "alignment", "pagesize", "size"),
    [
        (8, 16, False, 0x20),
        (8, 16, True, 0x30),
        (4, 8, False, 0x10),
        (4, 16, False, 0x18),
        (4, 16, True, 0x18),
        (4, 8, True, 0x18),
    ],
)
def test_heap_info(word, alignment, pagesize, size):
    assert built_in.heap_info(word, alignment, pagesize).size == size


@pytest.mark.parametrize(("word", "alignment"), list(built_in.word_and_alignments()))
def test_only_what_precedes_top_differs_between_arenas(word, alignment):
    """The search for main_arena stands on this: from `bins` on, every generation is the same."""
    shapes = {
        tuple(each.offset(member) - each.offset("bins") for member in ("top", "last_remainder", "binmap", "next"))
        for each in built_in.malloc_states(word, alignment)
    }
    assert shapes == {(-2 * word, -word, 254 * word, 254 * word + 16)}
