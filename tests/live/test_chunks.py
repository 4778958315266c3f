"""`heap chunks` on live processes: every chunk that the program's own ledger knows, and no other."""

from __future__ import annotations

import pytest

from support.expected import live_chunks, shown, story_of_many_sizes
from support.gdb_runs import ask
from support.programs import build, running

BUILDS = {"plain": (), "no-pie": ("-no-pie",), "stripped": ("-s",), "i386": ("-m32",)}


def word_of(flags):
    return 4 if "-m32" in flags else 8


def chunks_of(name, *arguments, flags=()):
    """Return the ledger of a program that was attached to at its stop, with its totals, and what `heap chunks` said."""
    with running(build(name, *flags), *arguments) as program:
        answer = ask(["-p", str(program.pid)], ["heap chunks"])["heap chunks"]
        return program.finish(), answer


def of_states(chunks, *states):
    return {address: chunk for address, chunk in chunks.items() if chunk[1] in states}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_every_chunk_of_every_size_and_in_every_bin(flags):
    word = word_of(flags)
    ledger, answer = chunks_of("many_sizes", flags=flags)
    chunks = shown(answer)
    story = story_of_many_sizes(ledger, word)
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    others = sorted(state for address, (_, state) in chunks.items() if address not in story)
    assert others == ["malloc_owned", "top"]
    assert sum(size for size, _ in chunks.values()) + unused_start(word) == ledger.mallinfo["arena"]
    assert answer["faults"] == []


def test_a_static_program_has_its_ledger_behind_what_libc_took_at_its_start():
    ledger, answer = chunks_of("many_sizes", flags=("-static",))
    chunks, story = shown(answer), story_of_many_sizes(ledger, 8)
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    before = {address: chunk for address, chunk in chunks.items() if address < min(ledger.live) - 16}
    assert {state for _, state in before.values()} <= {"in_use", "malloc_owned"}
    rest = {a: c for a, c in chunks.items() if a not in story and a not in before}
    assert sorted(state for _, state in rest.values()) in (["top"], ["malloc_owned", "top"])
    assert answer["faults"] == []


@pytest.mark.parametrize("seed", ["1", "2", "3"])
@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_a_random_story_of_every_kind_of_allocation(seed, flags):
    word = word_of(flags)
    ledger, answer = chunks_of("mixed", seed, flags=flags)
    chunks = shown(answer)
    assert of_states(chunks, "in_use") == live_chunks(ledger, word)
    assert answer["faults"] == []
    assert not of_states(chunks, "unknown")


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",)], ids=["x86-64", "i386", "static"])
def test_threads_with_arenas_and_tcaches_of_their_own(flags):
    word = word_of(flags)
    ledger, answer = chunks_of("threads", "6", flags=flags)
    chunks = shown(answer)
    known = live_chunks(ledger, word)
    in_use = of_states(chunks, "in_use")
    assert {address: chunk for address, chunk in in_use.items() if address in known} == known
    if "-static" not in flags:
        assert in_use == known
    assert len(of_states(chunks, "malloc_owned")) == 7
    assert not of_states(chunks, "unknown")
    assert answer["faults"] == []


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
@pytest.mark.parametrize("name", ["fenceposts", "many_heaps"])
def test_arenas_in_pieces(name, flags):
    word = word_of(flags)
    ledger, answer = chunks_of(name, flags=flags)
    chunks = shown(answer)
    assert of_states(chunks, "in_use") == live_chunks(ledger, word)
    assert len(of_states(chunks, "fencepost")) >= 6
    assert not of_states(chunks, "unknown")
    assert answer["faults"] == []


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_chunks_with_mappings_of_their_own(flags):
    word = word_of(flags)
    ledger, answer = chunks_of("mmapped", flags=flags)
    assert of_states(shown(answer), "in_use") == live_chunks(ledger, word)
    assert (answer["faults"], answer["notes"]) == ([], [])


def test_a_mapping_that_looks_like_a_chunk_is_told_of():
    ledger, answer = chunks_of("mmapped", "decoy")
    known = live_chunks(ledger, 8)
    found = of_states(shown(answer), "in_use")
    assert {address: chunk for address, chunk in found.items() if address in known} == known
    assert len(answer["notes"]) == 1
    assert f"mp_ counts {ledger.mallinfo['hblks']} of {ledger.mallinfo['hblkhd']:#x}" in answer["notes"][0]


def unused_start(word):
    """Return the bytes before the first chunk of a heap: in a 32-bit process mem is aligned to 16, and its header is
    8."""
    return 8 if word == 4 else 0
