"""Kernel cores of aarch64 machines with pages of 4, 16 and 64 KiB (made by tests/support/aarch64_bed.py), read without
gdb and without the files that ran, against what the programs said of themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support import stored_cores
from support.expected import live_chunks, shown, story_of_many_sizes
from support.leak_oracles import KINDS, differences, expected, verdicts_of
from support.ledger import predicted_free_lists, read_ledger


def said_by(name: str) -> str:
    return stored_cores.said_by(f"aarch64/{name}")


def answer(name: str, command: str) -> dict[str, Any]:
    return stored_cores.answer(f"aarch64/{name}", command)


@pytest.mark.parametrize("name", ["leaks", "leaks_16k", "leaks_64k", "leaks_cxx"])
def test_every_block_of_the_gallery_has_its_verdict(name: str) -> None:
    text = said_by(name)
    rows = answer(name, "heap leaks --kind all --blocks --count 0")["rows"]
    kinds = {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in rows}
    assert differences(verdicts_of(text, kinds), expected(text)) == {}


@pytest.mark.parametrize("name", ["many_sizes", "many_sizes_static", "many_sizes_64k"])
def test_every_chunk_of_every_size_and_in_every_bin(name: str) -> None:
    found, story = answer(name, "heap chunks --count 0"), story_of_many_sizes(read_ledger(said_by(name)), 8)
    assert {address: chunk for address, chunk in shown(found).items() if address in story} == story
    assert found["faults"] == []


@pytest.mark.parametrize("name", ["threads", "threads_16k", "threads_64k"])
def test_each_thread_has_its_tcache_in_the_order_of_its_frees(name: str) -> None:
    ledger = read_ledger(said_by(name))
    rows = answer(name, "heap bins --count 0")["rows"]
    cached = {
        (row["thread"], row["min_size"]): [int(chunk, 16) + 16 for chunk in row["chunks"]]
        for row in rows
        if row["kind"] == "tcache"
    }
    # (A thread that has ended gave its tcache back; the first one's holds what libc took for threads.)
    lists = {key: each for key, each in predicted_free_lists(ledger, 8).tcache.items() if key[0] != ledger.pid}
    assert len({lwp for lwp, _ in cached}) == 5
    assert {key: each for key, each in cached.items() if key[0] != ledger.pid} == {
        key: each for key, each in lists.items() if key[0] in {lwp for lwp, _ in cached}
    }
    in_use = {
        address for address, (_, state) in shown(answer(name, "heap chunks --count 0")).items() if state == "in_use"
    }
    assert in_use == live_chunks(ledger, 8).keys()


@pytest.mark.parametrize("name", ["threads", "threads_16k", "threads_64k"])
def test_stacks_of_threads_have_their_guards(name: str) -> None:
    rows = answer(name, "vmmap")["rows"]
    stacks = [row for row in rows if row["kind"] == "thread_stack"]
    guards = [row for row in rows if row["kind"] == "thread_guard"]
    assert len(stacks) == len(guards) == 4
    assert {int(row["end"], 16) - int(row["start"], 16) for row in guards} == {64 << 10}


def test_a_main_arena_in_pieces_of_large_pages() -> None:
    found = answer("fenceposts_64k", "heap chunks --count 0")
    in_use = {address: chunk for address, chunk in shown(found).items() if chunk[1] == "in_use"}
    assert in_use == live_chunks(read_ledger(said_by("fenceposts_64k")), 8)
    assert found["faults"] == []
    assert {int(row["start"], 16) % 0x10000 for row in answer("fenceposts_64k", "vmmap")["rows"]} == {0}


def test_memory_beyond_48_bits_of_address_holds_blocks() -> None:
    places = {name: int(value, 16) for name, value in re.findall(r"(high|held|lost) (0x\w+)", said_by("wide"))}
    assert places["high"] == 1 << 50
    rows = answer("wide", "heap leaks --kind all --blocks")["rows"]
    kinds = {int(row["example"], 16): row["kind"] for row in rows}
    assert (kinds[places["held"]], kinds[places["lost"]]) == ("still_reachable", "definitely_lost")
    holders = answer("wide", f"heap owners {places['held']:#x}")["rows"]
    assert places["high"] + 24 in {int(row["place"], 16) for row in holders}
