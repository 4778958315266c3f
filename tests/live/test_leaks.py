"""heap leaks against what the programs know of themselves, and against Valgrind and LeakSanitizer on the same
programs."""

from __future__ import annotations

import pytest

from support.leak_oracles import differences, expected, gdbheap_says, lsan_says, valgrind_says

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


# Blocks of a MiB, and what they hold: under Valgrind, where memory lies low, some number may point to the inside of one
# (in 32 bits with glibc 2.41 it is a word of Valgrind's own preloaded library, says its who_points_at).
LARGE = {"mmapped", "mmapped-holder", "held-by-lost-mmapped"}
# Memory that may not be written any more is no root to Valgrind. (ours, Valgrind's)
CLOSED = {"leaks": {"held-by-closed-mapping": ({"reachable"}, {"definitely"})}, "leaks_cxx": {}}


# (Valgrind cannot take the malloc of a static program for its own.)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("build", ["optimised", "no-pie", "32-bit"])
def test_valgrind_agrees(program, build):
    _, verdicts = gdbheap_says(program, *BUILDS[build])
    said = differences(verdicts, valgrind_says(program, *BUILDS[build]))
    said = {name: both for name, both in said.items() if name not in LARGE or both[1] != {"possibly"}}
    assert said == CLOSED[program]


# (ours, LeakSanitizer's). It knows no "possibly": any pointer holds. What a lost block points to is indirect to it,
# also in a cycle that nothing else reaches: each member of one (the C++ library's trees, lists and tables are such:
# their nodes point back) and the first too.
CYCLE = ({"definitely", "indirectly"}, {"indirectly"})
LSAN_DIFFERS = {
    "leaks": {
        "back-pointer": CYCLE,
        "chain": ({"possibly"}, {"reachable"}),
        "cycle": CYCLE,
        # Anonymous mappings are no roots to it: it reports what they hold.
        "held-by-closed-mapping": ({"reachable"}, {"definitely"}),
        "held-by-mapping": ({"reachable"}, {"definitely"}),
        "interior": ({"possibly"}, {"reachable"}),
        "tagged": ({"possibly"}, {"reachable"}),
    },
    "leaks_cxx": {
        # Its allocator puts blocks end to end: the lost vector's end of storage is the array's start. (glibc's have a
        # header in between.)
        "array": ({"definitely"}, {"indirectly"}),
        "list": CYCLE,
        "map": CYCLE,
        "unordered-map": CYCLE,
    },
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("build", ["optimised", "32-bit"])
def test_leaksanitizer_agrees_but_for_what_it_does_not_distinguish(program, build):
    _, verdicts = gdbheap_says(program, *BUILDS[build])
    differ, said = dict(LSAN_DIFFERS[program]), differences(verdicts, lsan_says(program, *BUILDS[build]))
    if build == "32-bit":
        # AddressSanitizer's allocator puts red zones between blocks; and its 32-bit one of gcc 16 does see what
        # mappings hold.
        differ.pop("array", None)
        for name in ("held-by-mapping", "held-by-closed-mapping"):
            assert said.pop(name, None) in (None, differ.pop(name, None))
        # (Where addresses are small numbers, one of its own may look like a pointer to a part of a ring, by chance.)
        for name in said.keys() & differ.keys():
            ours, theirs = said[name]
            said[name] = ours, theirs - ({"reachable"} - differ[name][1])
    assert said == differ


def test_leaks_are_given_though_a_chunk_of_the_main_arena_is_written_over():
    damage = ("up 2", "set var ((unsigned long *)held)[-1] = 0x4141414141414141", "down 2")
    text, verdicts = gdbheap_says("leaks", get_there=damage)
    wrong = differences(verdicts, expected(text))
    # The written-over chunk and what lies before the next sound one are chunks no more: what they hold counts as held.
    assert wrong.pop("global") == ({"no block"}, {"reachable"})
    assert not any("definitely" in ours - theirs for ours, theirs in wrong.values())
    assert "arena-list" not in wrong


def test_leaks_are_given_though_the_main_arenas_top_is_written_over():
    text, verdicts = gdbheap_says("leaks", get_there=("set var main_arena.top = 0x4141414141414150",))
    # Top is found by walking the heap to its end: no verdict changes.
    assert differences(verdicts, expected(text)) == {}
