"""heap leaks against what the programs know of themselves, and against Valgrind and LeakSanitizer on the same programs."""

from __future__ import annotations

import pytest
from leak_oracles import differences, expected, gdbheap_says, lsan_says, valgrind_says

PROGRAMS = ("leaks", "leaks_cxx")
BUILDS = {
    "plain": ("-O0",),
    "optimised": ("-O2",),
    "no-pie": ("-no-pie",),
    "static": ("-static",),
    "32-bit": ("-m32",),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_every_block_of_the_gallery_has_its_verdict(program, flags):
    text, verdicts = gdbheap_says(program, *flags)
    assert differences(verdicts, expected(text)) == {}


@pytest.mark.parametrize("program", PROGRAMS)
def test_valgrind_agrees(program):
    _, verdicts = gdbheap_says(program)
    assert differences(verdicts, valgrind_says(program)) == {}


# LeakSanitizer knows no "possibly": any pointer holds. Who is reached from a lost block is indirect to it, also in a cycle that nothing else
# reaches. Anonymous mappings are no roots to it: it reports what they hold.
LSAN_DIFFERS = {
    "back-pointer": ({"definitely", "indirectly"}, {"indirectly"}),
    "chain": ({"possibly"}, {"reachable"}),
    "cycle": ({"definitely", "indirectly"}, {"indirectly"}),
    "held-by-mapping": ({"reachable"}, {"definitely"}),
    "interior": ({"possibly"}, {"reachable"}),
    "tagged": ({"possibly"}, {"reachable"}),
}


def test_leaksanitizer_agrees_but_for_what_it_does_not_distinguish():
    _, verdicts = gdbheap_says("leaks")
    assert differences(verdicts, lsan_says("leaks")) == LSAN_DIFFERS


def test_leaks_are_given_though_a_chunk_of_the_main_arena_is_written_over():
    damage = ("up 2", "set var ((unsigned long *)held)[-1] = 0x4141414141414141", "down 2")
    text, verdicts = gdbheap_says("leaks", get_there=damage)
    wrong = differences(verdicts, expected(text))
    # The written-over chunk and what lies before the next sound one are chunks no more: what they hold counts as held.
    assert wrong.pop("global") == ({"no block"}, {"reachable"})
    assert not any("definitely" in ours - theirs for ours, theirs in wrong.values())
    assert "arena-list" not in wrong
