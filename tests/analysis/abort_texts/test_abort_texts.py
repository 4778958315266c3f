"""The table of abort texts, and which of them a glibc with given structs has."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from gdbheap.analysis.abort_texts.assertions import ASSERTIONS, find_assertion, known_assertion
from gdbheap.analysis.abort_texts.of_debugging import DEBUGGING_TEXTS
from gdbheap.analysis.abort_texts.of_free import FREE_TEXTS
from gdbheap.analysis.abort_texts.of_malloc import MALLOC_TEXTS
from gdbheap.analysis.abort_texts.table import TEXTS, Texts, find_text, releases
from gdbheap.analysis.abort_texts.text import DiesIn
from gdbheap.glibc.layout import SYMBOL, Layout, Located
from gdbheap.glibc.locate import builtin_structs
from gdbheap.machine.x86.machines import X86_64
from gdbheap.sentences.abort_texts import ASSERTED, CALLS, CONDITIONS, IMPLIES
from support.printed_by_libc import libc, texts_beside

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
# In a malloc built with MALLOC_DEBUG alone, or left out by compilers: unlinking looks at the same links right before.
NOT_IN_LIBC = {"malloc(): corrupted unsorted chunks 3", "do_check_malloc_state(): unaligned fastbin chunk detected"}
# A text of each function that prints them.
PRINTED = "corrupted double-linked list", "free(): invalid pointer", "free(): invalid size"
# The names of malloc's own that its assertions are about.
OF_MALLOC = re.compile(
    r"chunk|heap->|attached_threads|\bnb\b|paligned_mem|new_size|old_top|old_size|correction|prev_size|nclears|\bbit\b"
)
LIBCS_ASSERTED = "chunk_main_arena (fwd)", "heap->ar_ptr == av"


def layout(*, fastbins: bool, counts: str, hugetlb: bool, safe_linking: bool | None) -> Layout:
    return Layout(
        X86_64,
        16,
        builtin_structs.malloc_state(8, 16, fastbins, fastbins),
        builtin_structs.heap_info(8, 16, hugetlb),
        Located(0x1000, SYMBOL),
        tcache_struct=builtin_structs.tcache_perthread_struct(8, counts),
        safe_linking=safe_linking,
    )


OF_2_31 = {"fastbins": True, "counts": "u16", "hugetlb": False, "safe_linking": False}
OF_2_36 = {"fastbins": True, "counts": "u16", "hugetlb": True, "safe_linking": True}


def test_the_table_is_what_this_systems_libc_can_print():
    told = {each.text for each in (*FREE_TEXTS, *MALLOC_TEXTS) if each.first <= GLIBC <= each.last} - NOT_IN_LIBC
    if GLIBC < (2, 34):
        told |= {each.text for each in DEBUGGING_TEXTS if each.call is DiesIn.UNDER_MALLOC_CHECK}
    assert texts_beside(*PRINTED) == told


def test_every_assertion_of_this_systems_malloc_is_known():
    asserted = {text for text in texts_beside(*LIBCS_ASSERTED) if known_assertion(text) is not None}
    of_malloc = {text for text in texts_beside(*LIBCS_ASSERTED) if OF_MALLOC.search(text)}
    assert asserted >= of_malloc
    assert len(asserted) >= 24


def test_the_debugging_modes_texts_are_where_their_code_is():
    library = libc() if GLIBC < (2, 34) else next(Path("/").glob("usr/lib/x86_64-linux-gnu/libc_malloc_debug.so.0"))
    data = library.read_bytes()
    assert [each.text for each in DEBUGGING_TEXTS if each.text.encode() not in data] == []


def test_no_text_is_there_twice():
    assert len({each.text for each in TEXTS}) == len(TEXTS)


def test_every_check_has_its_words():
    texts = [each.text for each in TEXTS]
    assert list(CONDITIONS) == list(IMPLIES) == texts
    assert list(ASSERTED) == [each.words for each in ASSERTIONS]
    assert set(CALLS) == set(DiesIn)


def test_structs_tell_the_releases():
    assert releases(layout(**OF_2_31)) == ((2, 30), (2, 31))
    assert releases(layout(**OF_2_36)) == ((2, 35), (2, 41))


def test_a_text_that_the_structs_leave_open_is_named_with_what_comes_instead():
    texts = Texts(layout(**OF_2_36))
    assert texts.has("free(): chunks in smallbin corrupted") is None
    both = ("free(): chunks in smallbin corrupted", "corrupted double-linked list")
    assert (
        texts.choose("free(): chunks in smallbin corrupted", "corrupted double-linked list", otherwise=None).texts
        == both
    )
    assert Texts(layout(**OF_2_31)).has("malloc(): unaligned tcache chunk detected") is False


@pytest.mark.parametrize(
    "message",
    [
        "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == initial_top (av) && old_size == 0) || "
        "x\n",
        "Fatal glibc error: malloc.c:2599 (sysmalloc): assertion failed: (old_top == initial_top (av) && old_size == "
        "0) || x\n",
    ],
)
def test_assertions_are_known_in_the_words_of_both_generations(message):
    function, expression, known = find_assertion(message)
    assert (function, expression) == ("sysmalloc", "(old_top == initial_top (av) && old_size == 0) || x")
    assert known.call is DiesIn.MALLOC


def test_a_message_is_found_with_its_line_end_and_only_whole():
    assert find_text("free(): invalid pointer\n").call is DiesIn.FREE
    assert find_text("free(): invalid") is None


def test_a_programs_own_assertion_is_none_of_mallocs_whatever_its_file_is_called():
    assert find_assertion("prog: malloc.c:7: main: Assertion `chunk_main_arena (fwd)' failed.") is None
