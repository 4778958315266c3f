"""A malloc built without tcache (--disable-experimental-malloc), of which no debug information tells: nothing is
taken for its tcache members."""

from __future__ import annotations

import pytest

from gdbheap.glibc.locate import builtin_structs as built_in
from gdbheap.glibc.locate.layout_facts import TCACHE_TEXT
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.process.cstruct import CStruct
from gdbheap.process.process import Module
from gdbheap.process.symbols import ModuleSymbols
from support.made_libc import DATA, MP, MadeProcess

# What lies behind mp_ by chance may look like tcache_bins, tcache_max_bytes, tcache_count and tcache_unsorted_limit.
CHANCE = (64, 0x408, 7, 0)


def made(pointer_size: int, *behind: int) -> MadeProcess:
    """Return a process of 2.35 to 2.37 without tcache, `behind` being the words after its mp_."""
    par = built_in.malloc_par(pointer_size, "", hugetlb=True)
    image = MadeProcess(pointer_size, built_in.malloc_state(pointer_size, 16, True, True), par, None)
    image.put(image.data, MP - DATA + par.size, *behind)
    return image


def malloc_par_of(image: MadeProcess, *texts: str) -> CStruct | None:
    def symbols_of(module: Module) -> ModuleSymbols:
        return ModuleSymbols(texts=frozenset(texts))

    layout = make_layout(image.process(), symbols_of)
    assert (layout.tcache_struct is None) == (layout.malloc_par is None or "tcache_count" not in layout.malloc_par)
    return layout.malloc_par


@pytest.mark.parametrize("word", [8, 4])
@pytest.mark.parametrize("behind", [(), CHANCE, (1, 1, 1, 1), (2**32 - 1,) * 4])
def test_what_follows_mp_by_chance_is_none_of_its_members(word, behind):
    image = made(word, *behind)
    assert malloc_par_of(image) == image.par


@pytest.mark.parametrize("word", [8, 4])
def test_the_same_with_tcache_has_the_members(word):
    image = MadeProcess(
        word,
        built_in.malloc_state(word, 16, True, True),
        built_in.malloc_par(word, "tcache_bins", hugetlb=True),
        built_in.tcache_perthread_struct(word, "u16"),
    )
    assert malloc_par_of(image, TCACHE_TEXT) == image.par
