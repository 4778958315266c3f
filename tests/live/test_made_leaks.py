"""Thousands of blocks of every kind of pointer, against the generator's own records, beside Valgrind and LeakSanitizer."""

from __future__ import annotations

import pytest
from leak_oracles import gdbheap_kinds, lsan_kinds, valgrind_kinds
from made_leaks import STALE, score

# What each kind is called, all blocks of it alike. A block that is held by an encoded pointer alone looks lost to every tool; a lost one to
# which an old pointer lies in memory that is in use looks held to all that cannot tell whether memory was initialised (Valgrind can).
EXPECTED = {
    "global": {"reachable"},
    "interior": {"possibly"},
    "tagged": {"possibly"},
    "mapping": {"reachable"},
    "mmapped": {"reachable"},
    "thread_local": {"reachable"},
    "specific": {"reachable"},
    "xored": {"definitely"},
    "lost": {"definitely"},
    "chained": {"indirectly"},
    "stale_buffer": {"reachable"},
}


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_every_kind_of_pointer_is_seen_and_what_is_freed_is_never_called_leaked(count):
    found = score(*gdbheap_kinds("leaks_made", f"-DCOUNT={count}")).verdicts
    assert sum(sum(counts.values()) for counts in found.values()) == count + 64
    freed, stale = found.pop("freed"), found.pop("stale_stack")
    assert {kind: set(verdicts) for kind, verdicts in found.items()} == EXPECTED
    assert stale["reachable"] >= 60  # of 64: what else the compiler keeps in the two frames may lie over some
    assert set(freed) <= {"no block", "reachable"}  # reachable: the buffers that are not initialised were made of some


def test_precision_is_valgrinds_and_recall_too_but_for_old_pointers():
    ours = score(*gdbheap_kinds("leaks_made"))
    valgrind = score(*valgrind_kinds("leaks_made"))
    # What is wrongly called lost is the same: what only encoded pointers hold. What is missed is what old pointers hold.
    assert ours.wrongly_lost == valgrind.wrongly_lost == {"xored"}
    assert ours.precision_without(STALE) == valgrind.precision_without(STALE) > 0.8
    assert (ours.recall("lost"), ours.recall("chained")) == (1, 1)
    assert (valgrind.recall("lost"), valgrind.recall("chained")) == (1, 1)
    assert (ours.recall("stale_buffer"), valgrind.recall("stale_buffer")) == (0, 1)


def test_precision_is_above_leaksanitizers_which_takes_no_mapping_for_a_root():
    ours = score(*gdbheap_kinds("leaks_made"))
    lsan = score(*lsan_kinds("leaks_made"), default="reachable")
    assert ours.precision > lsan.precision
    assert (ours.recall("lost"), lsan.recall("lost")) == (1, 1)
