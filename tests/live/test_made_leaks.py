"""Thousands of blocks of every kind of pointer, against the generator's own records, beside Valgrind and
LeakSanitizer."""

from __future__ import annotations

import os

import pytest

from support.leak_oracles import gdbheap_doubts, gdbheap_kinds, lsan_kinds, stopped, valgrind_kinds
from support.made_leaks import score

# What each kind is called, all blocks of it alike. A lost block to which an old pointer lies in memory that is in use
# looks held to all that cannot tell whether memory was initialised (Valgrind can).
EXPECTED = {
    "global": {"reachable"},
    "interior": {"possibly"},
    "tagged": {"possibly"},
    "mapping": {"reachable"},
    "mmapped": {"reachable"},
    "thread_local": {"reachable"},
    "specific": {"reachable"},
    "xored": {"possibly"},
    "lost": {"definitely"},
    "chained": {"indirectly"},
    "stale_buffer": {"reachable"},
}


# (leaks_made.c's own COUNT is 10,000.)
@pytest.mark.parametrize("flags", [(), ("-DCOUNT=100000",)], ids=["10,000", "100,000"])
def test_every_kind_of_pointer_is_seen_and_what_is_freed_is_never_called_leaked(flags):
    found = score(*gdbheap_kinds("leaks_made", *flags)).verdicts
    assert sum(sum(counts.values()) for counts in found.values()) == (100_000 if flags else 10_000) + 64
    freed, stale = found.pop("freed"), found.pop("stale_stack")
    assert {kind: set(verdicts) for kind, verdicts in found.items()} == EXPECTED
    assert stale["reachable"] >= 60  # of 64: what else the compiler keeps in the two frames may lie over some
    # reachable: the buffers that are not initialised were made of some
    assert set(freed) <= {"no block", "taken again", "reachable"}


def test_what_only_unwritten_memory_holds_is_called_doubtful_and_nothing_else_is():
    found = score(*gdbheap_doubts("leaks_made")).verdicts
    doubtful = {kind for kind, verdicts in found.items() if "doubtful" in verdicts}
    # Before glibc 2.32 what a tcache leaves in a block looks like any pointer of the program's.
    safe_linking = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) >= (2, 32)
    assert doubtful == ({"stale_buffer"} if safe_linking else set())
    if safe_linking:
        assert set(found["stale_buffer"]) == {"doubtful"}


def test_precision_is_above_valgrinds_and_recall_is_its_own_but_for_old_pointers():
    ours = score(*gdbheap_kinds("leaks_made"))
    valgrind = score(*valgrind_kinds("leaks_made"))
    # Nothing is wrongly called lost; Valgrind calls so what encoded pointers hold. What is missed is what old pointers
    # hold.
    assert ours.wrong == set()
    assert valgrind.wrongly_lost == {"xored"}
    assert ours.precision() == 1 > valgrind.precision()
    assert ours.recall("lost", "chained") == 1
    assert valgrind.recall("lost", "chained") > 0.997
    assert ours.recall("stale_buffer") == 0
    assert valgrind.recall("stale_buffer") > 0.97


def test_what_encoded_pointers_and_stacks_hold_is_told_with_its_size():
    output, answers = stopped("leaks_made", commands=("heap leaks",))
    said = answers["heap leaks"]
    records = score(output, {}, default="").verdicts
    count = sum(records["xored"].values())
    assert said["totals"]["encoded_blocks"] == count
    (row,) = {row["doubt"] for row in said["rows"] if row["kind"] == "possibly_lost"} - {"interior_pointer"}
    assert row == "encoded_pointer"
    (note,) = (note for note in said["notes"] if "XORed" in note)
    assert f"XORed with 0x5a5a5a5a5a5a5a5a lead to {count} lost blocks" in note
    # The stale stack's blocks. (What thread-local storage and threads' specific values hold is held.)
    on_stacks = 60
    assert on_stacks <= said["totals"]["from_stacks_alone_blocks"] <= on_stacks + 20


def test_precision_is_above_leaksanitizers_which_takes_no_mapping_for_a_root():
    ours = score(*gdbheap_kinds("leaks_made"))
    lsan = score(*lsan_kinds("leaks_made"), default="reachable")
    assert ours.precision() > lsan.precision()
    assert ours.recall("lost") == lsan.recall("lost") == 1
