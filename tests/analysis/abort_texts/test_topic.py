"""What the texts of glibc's are about: every one of the table by what its check looks at."""

from __future__ import annotations

import pytest

from gdbheap.analysis.abort_texts.table import TEXTS
from gdbheap.analysis.abort_texts.topic import Topic, related_to, topic_of
from gdbheap.glibc.invariant import Invariant

TOPICS = {
    "free(): invalid pointer": Topic.PASSED_CHUNK | Topic.INVALID_POINTER,
    "munmap_chunk(): invalid pointer": Topic.PASSED_CHUNK | Topic.INVALID_POINTER,
    "mremap_chunk(): invalid pointer": Topic.PASSED_CHUNK | Topic.MREMAP,
    "realloc(): invalid pointer": Topic.PASSED_CHUNK | Topic.INVALID_POINTER | Topic.REALLOC,
    "realloc(): invalid old size": Topic.PASSED_CHUNK | Topic.REALLOC,
    "realloc(): invalid next size": Topic.PASSED_CHUNK | Topic.REALLOC | Topic.NEXT_SIZE,
    "free(): invalid size": Topic.PASSED_CHUNK | Topic.INVALID_SIZE,
    "free(): invalid next size (fast)": Topic.PASSED_CHUNK | Topic.NEXT_SIZE,
    "free(): invalid next size (normal)": Topic.PASSED_CHUNK | Topic.NEXT_SIZE,
    "free(): double free detected in tcache 2": Topic.PASSED_CHUNK,
    "double free or corruption (!prev)": Topic.PASSED_CHUNK,
    "double free or corruption (out)": Topic.PASSED_CHUNK,
    "double free or corruption (top)": Topic.PASSED_CHUNK | Topic.IS_TOP,
    "double free or corruption (fasttop)": Topic.PASSED_CHUNK | Topic.IS_FASTTOP,
    "corrupted size vs. prev_size while consolidating": Topic.PASSED_CHUNK,
    "malloc(): invalid next size (unsorted)": Topic.NEXT_SIZE,
    "malloc(): unaligned tcache chunk detected": Topic.UNALIGNED_HEAD,
    "malloc(): unaligned fastbin chunk detected": Topic.UNALIGNED_HEAD,
    "malloc(): unaligned fastbin chunk detected 2": Topic.UNALIGNED_HEAD,
    "malloc(): unaligned fastbin chunk detected 3": Topic.UNALIGNED_HEAD,
    "tcache_thread_shutdown(): unaligned tcache chunk detected": Topic.ENDED_TCACHE,
    "malloc_consolidate(): unaligned fastbin chunk detected": Topic.CONSOLIDATED,
    "corrupted double-linked list (not small)": Topic.SIZE_RING,
}


@pytest.mark.parametrize("text", [each.text for each in TEXTS])
def test_a_text_of_the_table_has_its_topic(text):
    assert topic_of(text) == TOPICS.get(text, Topic.NONE)


def test_no_topic_is_of_a_text_that_no_glibc_has():
    assert set(TOPICS) <= {each.text for each in TEXTS}


@pytest.mark.parametrize(
    "expression",
    [
        "(unsigned long)(newsize) >= (unsigned long)(nb)",
        "newsize >= nb && (((unsigned long) (chunk2mem (p))) % alignment) == 0",
        "nclears >= 3",
    ],
)
def test_an_asserted_size_is_too_small(expression):
    assert topic_of(expression) == Topic.TOO_SMALL


@pytest.mark.parametrize(
    ("text", "invariant"),
    [
        ("free(): too many chunks detected in tcache", Invariant.TCACHE_LENGTH),
        ("malloc(): corrupted unsorted chunks", Invariant.DOUBLE_LINK),
        ("malloc(): largebin double linked list corrupted (nextsize)", Invariant.SIZE_RING),
        ("malloc(): smallbin double linked list corrupted", Invariant.DOUBLE_LINK),
        ("corrupted size vs. prev_size", Invariant.PREV_SIZE),
        ("invalid fastbin entry (free)", Invariant.FASTBIN_SIZE),
        ("malloc(): corrupted top size", Invariant.TOP_SIZE),
        ("break adjusted to free malloc space", Invariant.PROGRAM_BREAK),
        ("a->attached_threads > 0", Invariant.ATTACHED_THREADS),
        ("chunk_main_arena (bck->bk)", Invariant.NON_MAIN_ARENA),
        ("((new_size & PREV_INUSE) != 0", Invariant.FENCEPOST),
    ],
)
def test_a_text_is_related_to_what_its_check_looks_at(text, invariant):
    assert invariant in related_to(text)


def test_a_text_of_the_pointer_alone_is_related_to_nothing():
    assert related_to("munmap_chunk(): invalid pointer") == frozenset()
