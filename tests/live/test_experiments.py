"""The experiments of the texts on memory, in a real gdb: fixtures/programs/experiments.c does each, and gdbheap's
commands show what came of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import build

BUILDS = {"x86-64": (), "i386": ("-m32",)}

# The first place where a chunk of the heap can have its mem: $heap is the heap's start, as vmmap said it.
AT_START = "explain $heap + 16"

# Beyond all that brk has made, where it would go on.
PAST_HEAP = "explain $heap + 0x200000"

# What is asked at each stop, in the program's order.
STOPS = {
    "before malloc": ["explain &first"],
    "malloc(1)": ["vmmap [heap]", "explain first", AT_START],
    "untouched": ["explain anonymous", "explain anonymous + 4096"],
    "read": ["explain anonymous", "explain anonymous + 4096"],
    "written": ["explain anonymous", "explain anonymous + 4096", "explain anonymous + 8192"],
    "below the threshold, from top": ["vmmap [heap]", "explain block"],
    "below the threshold, by brk": ["vmmap [heap]", "explain second_block"],
    "above the threshold": ["vmmap [heap]", "explain large"],
    "a freed brk chunk": ["vmmap [heap]", "explain block", "explain block + 0x100", "explain block - 1"],
    "four kinds": [f"explain {name}" for name in ("shared", "private_file", "shared_file", "shared_file + 8192")],
    "four kinds, written": ["explain shared", "explain private_file", "explain shared_file + 4096"],
    "a thread": ["explain &on_the_stack", "explain $sp - 65536", "explain $sp - 16", "vmmap stack"],
    "before the stack grows": ["explain deep", "explain deep - (64 << 20)"],
    "the stack has grown": ["explain deep"],
    "a freed mmapped chunk": ["explain large", "explain large + 1000", PAST_HEAP, "explain 0", "explain -1"],
    "the end": ["explain $_siginfo._sifields._sigfault.si_addr"],
}


# Python for gdb: the start of the first row in a file of --json.
_START = "int(__import__('json').load(open('{}'))['rows'][0]['start'], 16)"


class Experiments:
    """What each command said at each stop: `fields[stop, command]` are explain's rows by field; `rows` those of any
    command."""

    def __init__(self, directory: Path, flags: tuple[str, ...]) -> None:
        program = build("experiments", *flags)
        self.pointer_size = 4 if "-m32" in flags else 8
        words = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
        words += ["-ex", "break look", "-ex", f"run < /dev/null > {directory / 'output'}"]
        self.files: dict[tuple[str, str], Path] = {}
        for stop, commands in STOPS.items():
            if stop == "a thread":
                words += ["-ex", "up"]
            for command in commands:
                file = self.files[stop, command] = directory / str(len(self.files))
                words += ["-ex", f"{command} --json --output {file}"]
                if (stop, command) == ("malloc(1)", "vmmap [heap]"):
                    words += ["-ex", f"python gdb.set_convenience_variable('heap', {_START.format(file)})"]
            words += ["-ex", "print $_siginfo.si_code" if stop == "the end" else "continue"]
        self.text = run_gdb([*words, str(program)], patience=200)

    def rows(self, stop: str, command: str) -> list[dict]:
        file = self.files[stop, command]
        assert file.exists(), self.text
        return json.loads(file.read_text())["rows"]

    def __getitem__(self, key: tuple[str, str]) -> dict[str, str]:
        return {row["field"]: row["value"] for row in self.rows(*key)}

    def meaning(self, stop: str, command: str, field: str) -> str:
        return next(row["meaning"] for row in self.rows(stop, command) if row["field"] == field)

    def heap(self, stop: str) -> tuple[int, int]:
        """The start and the end of what brk made."""
        (row,) = self.rows(stop, "vmmap [heap]")
        return int(row["start"], 16), int(row["end"], 16)


@pytest.fixture(scope="module", params=BUILDS)
def seen(request, tmp_path_factory):
    return Experiments(tmp_path_factory.mktemp("experiments"), BUILDS[request.param])


def pages(seen, stop, *commands):
    return [seen[stop, command]["page"] for command in commands]


def outcomes(seen, stop, command):
    """Return what a read, a write and an execute would do."""
    said = seen[stop, command]
    return [said["read"], said["write"], said["execute"]]


def chunk_end(seen, stop, command):
    size = re.match(r"0x[0-9a-f]+", seen.meaning(stop, command, "chunk"))[0]
    return int(seen[stop, command]["chunk"], 16) + int(size, 16)


def test_the_first_malloc_makes_a_heap_of_132_kib_and_takes_its_start(seen):
    assert "chunk" not in seen["before malloc", "explain &first"]
    start, end = seen.heap("malloc(1)")
    first, at_start = seen["malloc(1)", "explain first"], seen["malloc(1)", AT_START]
    # On i386 a chunk begins 8 bytes past an alignment of 16, and what that costs is rounded up to a page (sysmalloc).
    assert end - start == (132 << 10) + (0 if int(at_start["chunk"], 16) == start else 4096)
    assert (first["kind"], first["state"]) == ("main_heap", "in_use")
    assert seen.meaning("malloc(1)", AT_START, "chunk").endswith("its mem, the pointer that malloc returns")
    if at_start["state"] == "malloc_owned":
        # Where the tcache struct is a chunk of the heap it came first, and the block is right behind it.
        assert seen.meaning("malloc(1)", AT_START, "state") == "the tcache struct of thread 1"
        assert int(first["chunk"], 16) == chunk_end(seen, "malloc(1)", AT_START)
    else:
        assert int(first["address"], 16) == start + 16


def test_a_page_exists_from_its_first_touch_on_and_reading_gets_the_zero_page(seen):
    first, second, third = "explain anonymous", "explain anonymous + 4096", "explain anonymous + 8192"
    assert pages(seen, "untouched", first, second) == ["untouched", "untouched"]
    assert pages(seen, "read", first, second) == ["zero", "untouched"]
    assert pages(seen, "written", first, second, third) == ["anonymous", "anonymous", "untouched"]
    # And the model had said so.
    assert seen.meaning("untouched", first, "read") == "the shared zero page is mapped"
    assert seen.meaning("read", first, "write") == "a fresh page in place of the zero page"
    assert seen.meaning("read", second, "write") == "a fresh page"
    assert seen.meaning("written", first, "write") == "the page is there"
    assert outcomes(seen, "untouched", first) == ["allowed", "allowed", "SIGSEGV SEGV_ACCERR"]


def test_malloc_below_the_threshold_moves_brk_and_above_it_makes_a_mapping(seen):
    start, end = seen.heap("malloc(1)")
    # The first block still fits into the 132 KiB.
    assert seen.heap("below the threshold, from top") == (start, end)
    moved = seen.heap("below the threshold, by brk")
    assert moved[0] == start
    assert moved[1] > end
    assert seen.heap("above the threshold") == moved
    second, large = (
        seen["below the threshold, by brk", "explain second_block"],
        seen["above the threshold", "explain large"],
    )
    assert second["kind"] == "main_heap"
    assert large["kind"] == "mmapped_chunk"
    assert "in a mapping of its own" in seen.meaning("above the threshold", "explain large", "chunk")
    assert not moved[0] <= int(large["address"], 16) < moved[1]


def test_free_of_a_brk_chunk_keeps_the_memory_and_what_was_in_it(seen):
    stop = "a freed brk chunk"
    assert seen.heap(stop) == seen.heap("above the threshold")
    block, inside = seen[stop, "explain block"], seen[stop, "explain block + 0x100"]
    assert (block["state"], block["page"]) == ("unsorted", "anonymous")
    assert outcomes(seen, stop, "explain block")[:2] == ["allowed", "allowed"]
    assert inside["remains"] == '"' + "b" * 64 + '"…'
    # The variable still points there.
    assert re.match(r"dangling: .*\bblock in experiments", seen.meaning(stop, "explain block", "pointers"))
    assert seen.meaning(stop, "explain block - 1", "chunk").endswith("the address is in its header, in size")


def test_free_of_an_mmapped_chunk_unmaps_it_and_touching_it_is_explained(seen):
    stop = "a freed mmapped chunk"
    said = seen[stop, "explain large"]
    assert outcomes(seen, stop, "explain large + 1000") == ["SIGSEGV SEGV_MAPERR"] * 3
    assert said["freed"] == "perhaps an mmapped chunk was here"
    # An address that mmap gives to nobody is none of them.
    assert "freed" not in seen[stop, PAST_HEAP]
    assert "mapping" not in seen[stop, PAST_HEAP]
    assert "mapping" not in said
    gap = [int(bound, 16) for bound in said["gap"].split("-")]
    assert gap[0] <= int(said["address"], 16) < gap[1]
    # The kernel's own word: the program goes on and dies there, by SEGV_MAPERR (1).
    assert "received signal SIGSEGV" in seen.text
    assert seen.text.rstrip().endswith("= 1")
    end = seen["the end", "explain $_siginfo._sifields._sigfault.si_addr"]
    assert int(end["address"], 16) == int(said["address"], 16) + 1000


def test_the_four_kinds_of_mapping(seen):
    def kind(stop, command):
        return seen.meaning(stop, command, "kind")

    shared, private_file, shared_file = "explain shared", "explain private_file", "explain shared_file"
    assert kind("untouched", "explain anonymous") == "private anonymous"
    assert [kind("four kinds", each) for each in (shared, private_file, shared_file)] == [
        "shared anonymous",
        "private file",
        "shared file",
    ]
    writes = [seen.meaning("four kinds", each, "write") for each in (shared, private_file, shared_file)]
    assert writes == ["the file's page", "a private copy of the file's page", "the file's page"]
    assert outcomes(seen, "four kinds", "explain shared_file + 8192") == ["SIGBUS BUS_ADRERR"] * 3
    after = pages(seen, "four kinds, written", shared, private_file, "explain shared_file + 4096")
    assert after == ["file", "anonymous", "file"]


def test_a_threads_stack_is_in_the_mmap_area_with_a_guard(seen):
    local = seen["a thread", "explain &on_the_stack"]
    assert (local["kind"], local["stack"]) == ("thread_stack", "thread 2")
    assert seen.meaning("a thread", "explain &on_the_stack", "stack") == "frame 1 thread, local on_the_stack"
    assert "not in use" in seen.meaning("a thread", "explain $sp - 65536", "stack")
    below = seen.meaning("a thread", "explain $sp - 16", "stack")
    # i386 has no red zone.
    assert below.endswith(
        "in the red zone, which a function that calls none may use" if seen.pointer_size == 8 else "not in use"
    )
    rows = seen.rows("a thread", "vmmap stack")
    main = next(int(row["start"], 16) for row in rows if row["path"] == "[stack]")
    assert seen.heap("a freed brk chunk")[1] < int(local["address"], 16) < main


def test_the_stack_grows_where_it_is_touched_but_not_beyond_its_limit(seen):
    before, after = "before the stack grows", "the stack has grown"
    assert "mapping" not in seen[before, "explain deep"]
    assert seen.meaning(before, "explain deep", "above").startswith("main stack")
    assert outcomes(seen, before, "explain deep")[1] == "allowed"
    assert seen.meaning(before, "explain deep", "write") == "the stack grows: a fresh page"
    assert (seen[after, "explain deep"]["kind"], seen[after, "explain deep"]["page"]) == ("main_stack", "anonymous")
    assert outcomes(seen, before, "explain deep - (64 << 20)")[1] == "SIGSEGV SEGV_MAPERR"


def test_numbers_that_are_no_pointers(seen):
    stop = "a freed mmapped chunk"
    assert seen.meaning(stop, "explain 0", "address") == "in no mapping: it is NULL"
    assert outcomes(seen, stop, "explain 0") == ["SIGSEGV SEGV_MAPERR"] * 3
    assert "-1: a small negative number" in seen.meaning(stop, "explain -1", "address")
    assert all(each.startswith("SIGSEGV") for each in outcomes(seen, stop, "explain -1"))
