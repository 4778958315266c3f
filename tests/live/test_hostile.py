"""A heap that has been written over: what can be read is read, the rest is a Fault; no traceback, no hang, nothing made
worse.

The test writes into a waiting process through gdb (gdbheap never does), asks, and puts back what was there.
"""

from __future__ import annotations

import os
import random
import re
import struct

import pytest

from support.gdb_runs import ask, kernel_core
from support.held_gdb import HeldGdb
from support.programs import build, running

COMMANDS = ["heap", "heap chunks", "heap bins", "heap arenas", "heap sizes", "heap params", "vmmap"]
JUNK = 0x4141414141414141


class Victim:
    """A waiting process, and what an undamaged look at it told."""

    def __init__(self, program):
        self.pid = program.pid
        self.ledger = program.ledger
        self.gdb = HeldGdb(["-p", str(self.pid)])
        self.sound = self.gdb.ask(COMMANDS, _addresses())
        self.symbols = dict(line[2:].split() for line in self.sound.text.splitlines() if line.startswith("@ "))
        self.rows = self.sound["heap chunks"]["rows"]
        self.bins = self.sound["heap bins"]["rows"]

    def address(self, expression):
        """Return the address of a member of main_arena."""
        return int(self.symbols[expression], 16)

    def listed(self, kind, at_least=4):
        """Return the chunks of the longest list of this kind."""
        longest = max((row for row in self.bins if row["kind"] == kind), key=lambda row: len(row["chunks"]))
        assert len(longest["chunks"]) >= at_least
        return [int(chunk, 16) for chunk in longest["chunks"]]

    def only(self, state):
        """Return the last chunk of this state, an address."""
        return [int(row["address"], 16) for row in self.rows if row["state"] == state][-1]

    def mangled(self, field, pointer):
        """Return what a single link at address `field` stores."""
        return pointer ^ (field >> 12) if self.ledger.glibc >= (2, 32) else pointer

    def look(self, *writes):
        """Return the answers with these (address, word or bytes) written; what was there is back afterwards."""
        damage, repair = ["python _inferior = gdb.selected_inferior(); _was = []"], []
        for address, value in writes:
            data = value if isinstance(value, bytes) else struct.pack("<Q", value & (1 << 64) - 1)
            damage.append(f"python _was.append(({address}, bytes(_inferior.read_memory({address}, {len(data)}))))")
            damage.append(f"python _inferior.write_memory({address}, {data!r})")
        repair = ["python for _address, _bytes in reversed(_was): _inferior.write_memory(_address, _bytes)"]
        return self.gdb.ask(COMMANDS, damage, repair)


def _addresses():
    members = ("top", "next", "bins", "flags", "system_mem")
    return [
        *(f'printf "@ {each} %p\\n", &main_arena.{each}' for each in members),
        'printf "@ arena %p\\n", &main_arena',
        'printf "@ size %#lx\\n", sizeof(main_arena)',
    ]


@pytest.fixture(scope="module")
def one():
    with running(build("many_sizes"), "0x100") as program:
        victim = Victim(program)
        yield victim
        victim.gdb.close()


@pytest.fixture(scope="module")
def several():
    with running(build("threads"), "4") as program:
        victim = Victim(program)
        yield victim
        victim.gdb.close()


def messages(answers):
    """Return the messages of the faults of `heap chunks`; every command must have answered."""
    assert set(answers.json) == set(COMMANDS), answers.text
    return sorted({fault["message"] for fault in answers["heap chunks"]["faults"]})


@pytest.mark.parametrize("size", [0, 1, 0x18, 0x21 + 8, 0x7FFFFFFFFFF1, JUNK, -1], ids=hex)
def test_a_corrupt_size_leaves_all_chunks_around_it_readable(one, size):
    row = one.rows[len(one.rows) // 3]
    victim = int(row["address"], 16)
    answers = one.look((victim + 8, size))
    assert messages(answers) == ["invalid chunk size"]
    around = [each for each in one.rows if each is not row]
    found = answers["heap chunks"]["rows"]
    assert [each for each in found if int(each["address"], 16) != victim] == around


@pytest.mark.parametrize("place", [0, 2])
def test_a_looped_tcache_list_ends_with_a_fault(one, place):
    chunks = one.listed("tcache")
    mem = chunks[3] + 16
    answers = one.look((mem, one.mangled(mem, chunks[place] + 16)))
    assert messages(answers) == ["tcache list loops"]
    (fault,) = answers["heap chunks"]["faults"]
    assert int(fault["address"], 16) == chunks[place]
    lists = {tuple(row["chunks"]) for row in answers["heap bins"]["rows"]}
    assert tuple(hex(chunk) for chunk in chunks[:4]) in lists


@pytest.mark.parametrize("pointer", [0x10, 0xDEAD00000000, 0xDEADBEEFCAFEBAB0, -16], ids=hex)
def test_a_wild_tcache_link_ends_its_list(one, pointer):
    chunks = one.listed("tcache")
    mem = chunks[1] + 16
    answers = one.look((mem, one.mangled(mem, pointer)))
    assert messages(answers) == ["tcache link leaves the heap"]
    assert one.rows[0] in answers["heap chunks"]["rows"]


def test_a_misaligned_tcache_link_is_what_malloc_would_call_it(one):
    chunks = one.listed("tcache")
    mem = chunks[1] + 16
    answers = one.look((mem, one.mangled(mem, chunks[2] + 17)))
    assert messages(answers) == ["malloc(): unaligned tcache chunk detected"]


def test_a_fastbin_that_loops_or_leaves_the_heap_ends_with_a_fault(one):
    if one.ledger.glibc >= (2, 43):
        assert not [row for row in one.bins if row["kind"] == "fastbin"]
        return
    chunks = one.listed("fastbin")
    mem = chunks[5] + 16
    assert messages(one.look((mem, one.mangled(mem, chunks[0])))) == ["fastbin list loops"]
    assert messages(one.look((mem, one.mangled(mem, 0xDEAD00000000)))) == ["fastbin link leaves the heap"]
    assert messages(one.look((mem, one.mangled(mem, chunks[0] + 8)))) == ["malloc(): unaligned fastbin chunk detected"]


@pytest.mark.parametrize("kind", ["unsorted", "small"])
@pytest.mark.parametrize("link", ["fd", "bk"])
@pytest.mark.parametrize("value", ["itself", "wild", "zero", "junk"])
def test_a_corrupt_link_of_a_double_list_is_what_malloc_would_call_it(one, kind, link, value):
    victim = one.listed(kind)[1]
    written = {"itself": victim, "wild": 0xDEAD00000000, "zero": 0, "junk": JUNK}[value]
    answers = one.look((victim + (16 if link == "fd" else 24), written))
    assert messages(answers) == ["corrupted double-linked list"]
    shown = {row["address"]: row for row in answers["heap chunks"]["rows"]}
    assert all(shown[row["address"]] == row for row in one.rows if row["state"] == "in_use")


@pytest.mark.parametrize("size", [0, 0x11, JUNK, -1], ids=hex)
def test_a_corrupt_top_size_is_a_fault_and_the_chunks_are_all_there(one, size):
    answers = one.look((one.only("top") + 8, size))
    assert messages(answers) == ["malloc(): corrupted top size"]
    assert [row for row in answers["heap chunks"]["rows"] if row["state"] != "top"] == [
        row for row in one.rows if row["state"] != "top"
    ]


@pytest.mark.parametrize("top", [0x10, JUNK, -16, "a block"], ids=str)
def test_a_wild_top_pointer_is_a_fault(one, top):
    value = one.listed("small")[0] if top == "a block" else top
    answers = one.look((one.address("top"), value))
    assert answers["heap chunks"]["faults"]


@pytest.mark.parametrize("value", [0, JUNK, -8, "heap", "itself"], ids=str)
def test_a_broken_arena_ring_is_a_fault_and_what_was_met_is_shown(several, value):
    second = int(several.sound["heap arenas"]["rows"][1]["address"], 16)
    offset = several.address("next") - several.address("arena")
    written = {"heap": int(several.rows[0]["mem"], 16), "itself": second}.get(value, value)
    answers = several.look((second + offset, written))
    assert messages(answers)[0].startswith("arena ring")
    main = [row for row in several.rows if row["arena"] == "main"]
    assert [row for row in answers["heap chunks"]["rows"] if row["arena"] == "main"] == main


@pytest.mark.parametrize("member", ["ar_ptr", "prev", "size"])
@pytest.mark.parametrize("value", [JUNK, -1, "itself"], ids=str)
def test_a_corrupt_heap_info_is_a_fault(several, member, value):
    heap = int(several.sound["heap arenas"]["rows"][1]["address"], 16) & ~0x3FFFFFF
    written = heap if value == "itself" else value
    answers = several.look((heap + {"ar_ptr": 0, "prev": 8, "size": 16}[member], written))
    assert messages(answers)
    main = [row for row in several.rows if row["arena"] == "main"]
    assert [row for row in answers["heap chunks"]["rows"] if row["arena"] == "main"] == main


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"A"], ids=repr)
def test_a_main_arena_that_is_all_one_byte_is_told_in_a_line_or_a_fault(several, filling):
    size = int(several.symbols["size"], 16)
    answers = several.look((several.address("arena"), filling * size))
    told = answers.json.get("heap chunks")
    assert told["faults"] if told else "is zeros: it has been overwritten" in answers.text, answers.text


@pytest.mark.parametrize("state", ["malloc_owned"])
def test_a_tcache_struct_of_junk_is_faults_and_all_chunks_are_there(one, state):
    mem = one.only(state) + 16
    answers = one.look((mem, b"\x41" * 0x280))
    assert messages(answers)
    shown = {row["address"]: row for row in answers["heap chunks"]["rows"]}
    assert all(shown[row["address"]] == row for row in one.rows if row["state"] == "in_use")


def test_random_words_over_the_heap_and_the_arena_never_break_a_command(one):
    chance = random.Random(20260)
    arena, size = one.address("arena"), int(one.symbols["size"], 16)
    first, last = int(one.rows[0]["address"], 16), one.only("top")
    for _ in range(6):
        words = [
            0,
            1,
            -1,
            JUNK,
            0x21,
            0x1F1,
            first,
            last,
            arena,
            chance.getrandbits(64),
            chance.choice(one.listed("small")),
        ]
        places = [first + chance.randrange((last - first) // 8) * 8 for _ in range(300)]
        places += [arena + chance.randrange(size // 8) * 8 for _ in range(6)]
        answers = one.look(*((place, chance.choice(words)) for place in dict.fromkeys(places)))
        assert "heap chunks" in answers.json or re.search(r"^heap chunks: .", answers.text, re.MULTILINE)


def test_a_hole_in_the_heap_costs_only_the_chunks_that_reach_into_it(tmp_path):
    with running(build("holes"), directory=tmp_path) as program:
        live = ask(["-p", str(program.pid)], COMMANDS)
        core = ask([str(build("holes")), str(kernel_core(program, tmp_path))], COMMANDS)
    hole = int(program.ledger.facts["hole"], 16)
    whole = {
        hex(pointer): block.size
        for pointer, block in program.ledger.live.items()
        if pointer + block.usable <= hole or pointer - 16 >= hole + 0x1000
    }
    for answers in (live, core):
        rows = answers["heap chunks"]["rows"]
        found = {row["mem"]: row["size"] for row in rows if row["state"] == "in_use"}
        assert {mem: found.get(mem) for mem in whole} == whole
        assert [row["state"] for row in rows].count("top") == 1
        assert "cannot be read; the walk resumes at" in answers["heap chunks"]["notes"][0]


@pytest.mark.parametrize("part", [0.95, 0.5, 0.1])
def test_a_truncated_core_is_read_up_to_where_it_ends(tmp_path, part):
    with running(build("many_sizes"), directory=tmp_path) as program:
        core = kernel_core(program, tmp_path)
    whole = core.stat().st_size
    os.truncate(core, int(whole * part))
    answers = ask([str(build("many_sizes")), str(core)], COMMANDS)
    assert "vmmap" in answers.json
    # How much is missing is said.
    said = (
        r"^the core does not show where libc is, so its heap is unknown: the core is truncated: ([\d,]+) of "
        r"[\d,]+ bytes of memory are missing"
    )
    unanswered = re.findall(said, answers.text, re.MULTILINE)
    assert len(answers.json) + len(unanswered) == len(COMMANDS)
    size = sum(int(size.replace(",", "")) for size in unanswered[:1])
    assert not unanswered or abs(size - whole * (1 - part)) < 64 << 10
