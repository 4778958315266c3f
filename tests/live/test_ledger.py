"""The oracle itself: what the programs' ledgers tell adds up to what the allocator says of itself."""

from __future__ import annotations

import pytest

from support.expected import story_of_many_sizes
from support.ledger import predicted_free_lists, read_ledger
from support.programs import build, running

BUILDS = {"plain": (), "i386": ("-m32",), "static": ("-static",)}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_the_story_of_many_sizes_adds_up_to_what_mallinfo_says(flags):
    word = 4 if "-m32" in flags else 8
    with running(build("many_sizes", *flags)) as program:
        ledger = program.finish()
    states = {}
    for size, state in story_of_many_sizes(ledger, word).values():
        states.setdefault(state, []).append(size)
    info = ledger.mallinfo
    assert len(states.get("fastbin", [])) == info["smblks"]
    assert sum(states.get("fastbin", [])) == info["fsmblks"]
    binned = states.get("unsorted", []) + states["small"] + states["large"]
    assert len(binned) + 1 == info["ordblks"]
    assert sum(binned) + sum(states.get("fastbin", [])) + info["keepcost"] == info["fordblks"]
    assert info["arena"] == info["fordblks"] + info["uordblks"]


@pytest.mark.parametrize("name", ["fenceposts", "forked", "many_heaps", "mixed", "mmapped", "threads", "before_malloc"])
def test_a_ledger_has_no_block_twice_and_none_larger_than_its_room(name):
    with running(build(name)) as program:
        ledger = program.finish()
    assert all(block.requested <= block.usable <= block.size for block in ledger.live.values())
    places = sorted((block.pointer, block.pointer + block.usable) for block in ledger.live.values())
    assert all(end <= start for (_, end), (start, _) in zip(places, places[1:]))
    assert ledger.mallinfo["hblks"] == sum(block.is_mmapped for block in ledger.live.values())


def test_the_free_lists_are_predicted_from_the_order_of_the_frees():
    lines = [f"m 7 {0x1000 + 0x20 * i:#x} 24 24 0x21 " for i in range(9)] + [
        f"f 7 {0x1000 + 0x20 * i:#x} 0 24 0x21 " for i in range(9)
    ]
    lists = predicted_free_lists(read_ledger("\n".join(["glibc 2.36", *lines, "ready", ""])), 8)
    assert lists.tcache == {(7, 0x20): [0x1000 + 0x20 * i for i in range(6, -1, -1)]}
    assert lists.fastbins == {0x20: [0x1100, 0x10E0]}
    assert lists.rest == {}
