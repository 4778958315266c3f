"""gdbheap on aarch64 processes (qemu's, through its stub for gdb): what it says is what the programs' ledgers and notes
and malloc's own counts say, and what it says of the same programs on x86-64.

qemu leaves a position-independent program no room for brk: malloc takes all its memory by mmap there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest

from support import aarch64_stub, programs, stored_cores
from support.aarch64_stub import look
from support.expected import live_chunks, shown, story_of_many_sizes
from support.gdb_runs import ROOT, ask, run_gdb
from support.leak_oracles import KINDS, differences, expected, verdicts_of
from support.ledger import read_ledger
from support.type_ledger import read_types, score

STATIC = ("-static", "-no-pie")
LEAKS = "heap leaks --kind all --blocks"
TYPES = "heap types --blocks"


def verdicts(told):
    rows = told.answers[LEAKS]["rows"]
    return verdicts_of(told.story, {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in rows})


def test_every_chunk_and_list_of_a_static_program_is_what_the_ledger_says():
    told = look(aarch64_stub.build("many_sizes", *STATIC), ["heap chunks", "heap check"])
    story = story_of_many_sizes(read_ledger(told.text), 8)
    chunks = shown(told.answers["heap chunks"])
    assert {address: chunk for address, chunk in chunks.items() if address in story} == story
    assert told.answers["heap check"]["faults"] == []


@pytest.mark.parametrize("without_symbols", [False, True], ids=["with libc's symbols", "without"])
def test_a_heap_of_mappings_is_what_malloc_counts(without_symbols):
    program = aarch64_stub.build("many_sizes")
    told = look(program, ["heap chunks", "heap check"], without_symbols=without_symbols)
    ledger, chunks = read_ledger(told.text), shown(told.answers["heap chunks"])
    mine = live_chunks(ledger, 8)
    assert {address: chunk for address, chunk in chunks.items() if address in mine} == mine
    sizes = {state: [size for size, each in chunks.values() if each == state] for _, state in chunks.values()}
    free = [size for state in ("small", "large", "unsorted", "top") for size in sizes.get(state, [])]
    fast = sizes.get("fastbin", [])
    counted = (len(free), len(fast), sum(fast), sum(free) + sum(fast))
    assert counted == tuple(ledger.mallinfo[each] for each in ("ordblks", "smblks", "fsmblks", "fordblks"))
    assert told.answers["heap check"]["faults"] == []


def test_the_same_calls_have_the_same_answers_as_on_x86():
    commands = ["heap bins", LEAKS, "heap check"]
    lines = ("break inspected", "run < /dev/null > /dev/null")
    here = ask([str(programs.build("many_sizes", *STATIC))], commands, get_there=lines)
    there = look(aarch64_stub.build("many_sizes", *STATIC), commands).answers
    told = [
        (
            {row["bin"]: len(row["chunks"]) for row in each["heap bins"]["rows"]},
            Counter(row["kind"] for row in each[LEAKS]["rows"]),
            each["heap check"]["totals"],
        )
        for each in (there, here)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("program", ["leaks", "leaks_cxx"])
def test_every_block_of_the_gallery_has_its_verdict(program):
    told = look(aarch64_stub.build(program), [LEAKS])
    assert differences(verdicts(told), expected(told.story)) == {}


@pytest.mark.parametrize("bits", [39, 42])
def test_kernels_with_fewer_bits_of_address(bits):
    """As kernels have them that are built for three levels of page tables, of 4 or of 64 KiB."""
    told = look(aarch64_stub.build("leaks"), [LEAKS, "vmmap"], bits=bits)
    assert max(int(row["end"], 16) for row in told.answers["vmmap"]["rows"]) <= 1 << bits
    assert differences(verdicts(told), expected(told.story)) == {}


def test_tags_of_memory_hide_no_block():
    told = look(aarch64_stub.build("leaks"), [LEAKS, "heap check"], tunables="glibc.mem.tagging=1")
    story, tags = re.subn(r"0x[0-9a-f]{1,2}00([0-9a-f]{12})\b", r"0x\1", told.story)
    assert tags > 30
    assert differences(verdicts(replace(told, story=story)), expected(story)) == {}
    assert told.answers["heap check"]["faults"] == []


def test_chunks_of_several_threads_are_in_the_tcaches_that_the_ledger_says():
    told = look(aarch64_stub.build("threads"), ["heap chunks", "heap bins"])
    mine = live_chunks(read_ledger(told.text), 8)
    chunks = shown(told.answers["heap chunks"])
    assert {address: chunk for address, chunk in chunks.items() if address in mine} == mine


def test_holders_types_and_stacks_have_names():
    owners, local = "heap owners held", "explain &local"
    told = look(aarch64_stub.build("leaks"), [owners, local], get_there=("break inspected", "continue", "up 2"))
    assert [row["holder"] for row in told.answers[owners]["rows"]] == ["held in leaks"]
    facts = next(row["facts"] for row in told.answers[local]["rows"] if row["field"] == "stack")
    assert (facts["thread_number"], facts["function"], facts["local"], facts["local_offset"]) == (1, "main", "local", 0)


def test_types_are_what_the_program_says():
    told = look(aarch64_stub.build("types_c"), [TYPES])
    rows = [
        (int(row["mem"], 16), re.sub(r"\[\d*\]$", "[]", row["type"] or ""), row["confidence"] or "")
        for row in told.answers[TYPES]["rows"]
    ]
    found = score(read_types(told.story), "reachable", rows)
    assert found.wrong.get("certain", []) == []
    assert found.precision("likely") >= 0.97
    assert found.named >= 0.95


def test_a_freed_pointer_that_malloc_did_not_return_is_explained():
    told = look(aarch64_stub.build("free_misaligned_argc"), ["fault"], get_there=("continue",))
    first = told.answers["fault"]["rows"][0]
    assert first["verdict"] == "malloc_abort"
    assert re.search(r"points 0x1 bytes into the block 0x[0-9a-f]+ of 0x68 usable bytes", first["summary"])


def test_kernel_cores_of_larger_pages_are_read_as_without_gdb(tmp_path):
    """(What they say without gdb is held to the programs' ledgers in tests/machine/test_aarch64_cores.py.)"""
    commands = (LEAKS, "heap chunks --count 0", "heap bins --count 0", "heap check", "vmmap")
    names = ("aarch64/leaks_16k", "aarch64/leaks_64k", "aarch64/many_sizes_64k", "aarch64/threads_64k")
    files = {(name, command): tmp_path / f"{name[8:]}.{n}" for name in names for n, command in enumerate(commands)}
    for name in names:
        # (One gdb for each: gdb 16 reads the notes of a second core as it likes, and dies of that.)
        words = ["gdb-multiarch", "-nx", "-q", "-batch", "-ex", f"source {ROOT / 'gdb_init.py'}"]
        words += ["-ex", f"core-file {stored_cores.core_of(name)}"]
        for command in commands:
            words += ["-ex", f"{command} --json --output {files[name, command]}"]
        run_gdb(words, fresh=True)
    for (name, command), file in files.items():
        rows, others = (each["rows"] for each in (json.loads(file.read_text()), stored_cores.answer(name, command)))
        assert rows == others, (name, command)
