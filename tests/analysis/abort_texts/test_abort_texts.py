"""The table of abort texts, and which of them a glibc with given structs has."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from gdbheap.analysis.abort_texts.assertions import find_assertion
from gdbheap.analysis.abort_texts.table import TEXTS, Texts, find_text, releases
from gdbheap.malloc.layout import SYMBOL, Layout, Located
from gdbheap.malloc.locate import builtin_structs

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
# Compilers leave these checks out, for an earlier one covers them, or they are in another build or library.
NOT_IN_LIBC = {
    "malloc(): corrupted unsorted chunks 3",
    "do_check_malloc_state(): unaligned fastbin chunk detected",
    "malloc: top chunk is corrupt",
    "malloc_check_get_size: memory corruption",
}


def layout(*, fastbins: bool, counts: str, hugetlb: bool, safe_linking: bool | None) -> Layout:
    return Layout(
        8,
        16,
        builtin_structs.malloc_state(8, 16, fastbins, fastbins),
        builtin_structs.heap_info(8, 16, hugetlb),
        Located(0x1000, SYMBOL),
        tcache_struct=builtin_structs.tcache_perthread_struct(8, counts),
        safe_linking=safe_linking,
    )


OF_2_31 = {"fastbins": True, "counts": "u16", "hugetlb": False, "safe_linking": False}
OF_2_36 = {"fastbins": True, "counts": "u16", "hugetlb": True, "safe_linking": True}


def test_every_text_is_in_this_systems_libc_exactly_if_the_table_says_so():
    library = next(Path("/").glob("lib/x86_64-linux-gnu/libc.so.6"))
    data = library.read_bytes()
    for each in TEXTS:
        if each.text not in NOT_IN_LIBC:
            here = b"\0" + each.text.encode() + b"\0" in data
            assert here == (each.first <= GLIBC <= each.last), each.text


def test_no_text_is_there_twice():
    assert len({each.text for each in TEXTS}) == len(TEXTS)


def test_structs_tell_the_releases():
    assert releases(layout(**OF_2_31)) == ((2, 30), (2, 31))
    assert releases(layout(**OF_2_36)) == ((2, 35), (2, 41))


def test_a_text_that_the_structs_leave_open_is_named_with_what_comes_instead():
    texts = Texts(layout(**OF_2_36))
    assert texts.has("free(): chunks in smallbin corrupted") is None
    both = "free(): chunks in smallbin corrupted or corrupted double-linked list"
    assert texts.choose("free(): chunks in smallbin corrupted", "corrupted double-linked list", otherwise="") == both
    assert Texts(layout(**OF_2_31)).has("malloc(): unaligned tcache chunk detected") is False


@pytest.mark.parametrize(
    "message",
    [
        "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == initial_top (av) && old_size == 0) || x\n",
        "Fatal glibc error: malloc.c:2599 (sysmalloc): assertion failed: (old_top == initial_top (av) && old_size == 0) || x\n",
    ],
)
def test_assertions_are_known_in_the_words_of_both_generations(message):
    function, expression, known = find_assertion(message)
    assert (function, expression) == ("sysmalloc", "(old_top == initial_top (av) && old_size == 0) || x")
    assert known.call == "malloc"


def test_a_message_is_found_with_its_line_end_and_only_whole():
    assert find_text("free(): invalid pointer\n").call == "free"
    assert find_text("free(): invalid") is None
