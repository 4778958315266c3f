"""gdbheap in a whole aarch64 machine (qemu-system), by the machine's own gdb, and on the cores of its kernel: what it
says is what the programs' ledgers and notes, the kernel, and fixtures/faults say. (`tests/run --guest`.)

GDBHEAP_GUEST_KERNEL=IMAGE takes another kernel, GDBHEAP_GUEST_PAGE=65536 says that its pages are of that size.
"""

from __future__ import annotations

import re

import pytest

from support import aarch64_machine
from support.aarch64_machine import FAMILIES, PAGE
from support.expected import live_chunks, shown, story_of_many_sizes
from support.fault_gallery import cases_of, expected, said
from support.leak_oracles import KINDS, differences, verdicts_of
from support.leak_oracles import expected as noted
from support.ledger import predicted_free_lists, read_ledger
from support.type_ledger import read_types, score

LEAKS = "heap leaks --kind all --blocks"
PREDICTED = "heap predict malloc 24; malloc 5000; malloc 24; malloc 300000; malloc 1032"
QUESTIONS = {
    "many_sizes": ("heap chunks", "heap bins", "heap check", PREDICTED),
    "many_sizes_static": ("heap chunks", "heap check"),
    "threads": ("heap chunks", "heap bins", "vmmap", "mm"),
    "fenceposts": ("heap chunks", "heap check"),
    "mmapped": ("heap chunks",),
    "leaks": (LEAKS, "heap owners held", "explain $sp", "explain $pc"),
    "leaks_cxx": (LEAKS,),
    "types_c": ("heap types --blocks",),
    "retained": ("heap retained",),
    "resident": ("heap rss",),
    "mappings": ("vmmap", "vmmap --pages", "heap check"),
}
# One way to die of each kind, looked at as it happens.
LIVE = {
    "pointers": ("null_plus_offset", "non_canonical"),
    "mappings": ("past_mapping_end", "guard_page", "bus_beyond_eof", "stack_overflow"),
    "control": ("jump_to_null", "jump_to_data", "illegal_instruction"),
    "heap": ("link_called",),
    "signals": ("in_handler", "handler_overflow"),
    "cxx": ("pure_virtual", "uncaught_int"),
    "aarch64": ("misaligned_exclusive", "tagged_pointer", "pair_past_end"),
}
# Cases that live here: this processor has every instruction, its kernel (6.1) no protection keys and no memory that can
# only be executed, but it may have huge pages; a prefetch is to live.
MAY_LIVE = {"prefetched", "bus_huge_page", "lacking_instruction", "protection_key", "execute_only"}
# (Numbers below 0x10000 stand in the expected lines as they are.)
SIZE_OF_PAGE = "0x1000 bytes" if PAGE == 0x1000 else "N bytes"
KINDS_OF_MAPPINGS = {
    "private_anonymous": "anonymous",
    "untouched": "anonymous",
    "shared_anonymous": "shared_anonymous",
    "private_file": "file",
    "no_access": "no_access",
    "memfd": "memfd",
    "small_block": "main_heap",
    "first_block": "arena_heap",
    "second_stack": "thread_stack",
    "main_stack": "main_stack",
    "program_bss": "program_bss",
    "program_text": "program_text",
    "libc_text": "library_text",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """What the machine has told, which runs once."""
    return aarch64_machine.run(QUESTIONS, LIVE, tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("name", ["many_sizes", "many_sizes_static"])
def test_every_chunk_of_every_size(machine, name):
    told = machine.told[name]
    story = story_of_many_sizes(read_ledger(told.text), 8)
    chunks = shown(told.answers["heap chunks"])
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    assert told.answers["heap check"]["faults"] == told.answers["heap chunks"]["faults"] == []


@pytest.mark.parametrize("name", ["many_sizes", "threads"])
def test_each_list_has_its_chunks_in_the_order_of_the_frees(machine, name):
    told = machine.told[name]
    lists = predicted_free_lists(read_ledger(told.text), 8)
    rows = told.answers["heap bins"]["rows"]
    found = {
        (row["thread"], row["min_size"]): [int(chunk, 16) + 16 for chunk in row["chunks"]]
        for row in rows
        if row["kind"] == "tcache"
    }
    threads = {thread for thread, _ in found}
    assert found == {key: mems for key, mems in lists.tcache.items() if key[0] in threads}
    assert threads
    fast = {
        row["min_size"]: [int(chunk, 16) + 16 for chunk in row["chunks"]] for row in rows if row["kind"] == "fastbin"
    }
    assert fast == lists.fastbins


@pytest.mark.parametrize("name", ["threads", "fenceposts", "mmapped"])
def test_arenas_of_threads_and_in_pieces_and_blocks_with_mappings_of_their_own(machine, name):
    told = machine.told[name]
    answer = told.answers["heap chunks"]
    in_use = {address: chunk for address, chunk in shown(answer).items() if chunk[1] == "in_use"}
    assert in_use == live_chunks(read_ledger(told.text), 8)
    assert answer["faults"] == []


def test_what_is_foretold_of_calls_is_what_they_return(machine):
    told = machine.told["many_sizes"]
    foretold = [row["result"] for row in told.answers[PREDICTED]["rows"]]
    assert [int(each, 16) for each in foretold] == machine.returned


@pytest.mark.parametrize("name", ["leaks", "leaks_cxx"])
def test_every_block_of_the_gallery_has_its_verdict(machine, name):
    told = machine.told[name]
    rows = told.answers[LEAKS]["rows"]
    kinds = {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in rows}
    assert differences(verdicts_of(told.story, kinds), noted(told.story)) == {}


def test_types_are_what_the_program_says(machine):
    told = machine.told["types_c"]
    rows = [
        (int(row["mem"], 16), re.sub(r"\[\d*\]$", "[]", row["type"] or ""), row["confidence"] or "")
        for row in told.answers["heap types --blocks"]["rows"]
    ]
    found = score(read_types(told.story), "reachable", rows)
    assert found.wrong.get("certain", []) == []
    assert found.precision("likely") >= 0.97
    assert found.named >= 0.95


def test_what_variables_retain_is_what_the_program_wrote_down(machine):
    told = machine.told["retained"]
    wanted = re.findall(r"^holder (\w+) (\w+) (\d+) (\d+)$", told.story, re.M)
    sums = {(row["kind"], row["bytes"], row["blocks"]) for row in told.answers["heap retained"]["rows"]}
    assert wanted
    assert [each for each in wanted if (each[0], int(each[2]), int(each[3])) not in sums] == []


def test_what_is_resident_adds_up_to_the_kernels_count(machine):
    totals = machine.told["resident"].answers["heap rss"]["totals"]
    assert totals["resident"] == totals["kernel_rss"]
    assert totals["verdict"] == "retention"


def test_mappings_are_the_kernels_and_the_programs(machine):
    told = machine.told["mappings"]
    rows = told.answers["vmmap"]["rows"]
    assert [(row["start"], row["end"], row["permissions"]) for row in rows] == machine.maps
    facts = {name: (int(a, 16), int(b, 16)) for name, a, b in re.findall(r"^(\w+) (\w+) (\w+)$", told.story, re.M)}
    middles = {name: sum(facts[name]) // 2 for name in KINDS_OF_MAPPINGS}
    found = {
        name: [row["kind"] for row in rows if int(row["start"], 16) <= middle < int(row["end"], 16)]
        for name, middle in middles.items()
    }
    assert found == {name: [kind] for name, kind in KINDS_OF_MAPPINGS.items()}
    assert told.answers["heap check"]["faults"] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_deaths_are_told_whole_from_the_kernels_cores(machine, family):
    cases = cases_of(family, "aarch64")
    died = [name for name in cases if name in machine.dead]
    wrong = {}
    for name in died:
        got = said(machine.dead[name], machine.told_of(name, "dead"))
        wanted = [line.replace("0x1000 bytes", SIZE_OF_PAGE) for line in expected(name, "aarch64", "core")]
        if got != wanted:
            wrong[name] = (got, wanted)
    assert wrong == {}
    assert set(cases) - set(died) <= MAY_LIVE


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in LIVE.items() for name in names])
def test_a_death_is_told_whole_where_it_happens(machine, family, name):
    assert name in cases_of(family, "aarch64")
    assert said(machine.live[name], machine.told_of(name, "live")) == [
        line.replace("0x1000 bytes", SIZE_OF_PAGE) for line in expected(name, "aarch64", "live")
    ]
