"""A core in which gdb has put zeros in place of threads' stacks, because it could not read a guard page within their
mapping."""

from __future__ import annotations

import pytest

from gdbheap.elf.core_file import open_core
from gdbheap.process.remarks import UnreadByGdb
from support.gdb_runs import ask, generated_core
from support.programs import build, running

CHUNKS, LEAKS = "heap chunks", "heap leaks --kind all"
COMMANDS = [CHUNKS, LEAKS, "heap check"]


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_the_tcaches_of_such_threads_are_not_known_and_nothing_is_called_lost(flags, tmp_path):
    program = build("threads", *flags)
    with running(program, "3", directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        core = generated_core(process.pid, tmp_path)
    stacks = blot_out_stacks(core)
    opened = open_core(str(core))
    assert opened.missing == tuple(stacks)
    (remark,) = (each for each in opened.notes if isinstance(each, UnreadByGdb))
    assert remark.missing == sum(end - start for start, end in stacks)
    dead = ask([str(program), str(core)], COMMANDS, then=["heap check"])
    notes = [note for note in dead[CHUNKS]["notes"] if "what it holds counts as in use" in note]
    assert [note.split()[:5] for note in notes] == [["the", "tcache", "of", "thread", str(n)] for n in (2, 3, 4)]
    for command in COMMANDS:
        assert set(notes) <= set(dead[command]["notes"])
        assert dead[command]["faults"] == []
    assert cached(live) > cached(dead)
    (coverage,) = (line for line in dead.text.splitlines() if line.startswith("tcaches: "))
    assert coverage.endswith(", those of 3 threads are not known")
    assert dead[LEAKS]["totals"]["definitely_lost_blocks"] == 0


def blot_out_stacks(core):
    """Zero, as gdb does, the mappings of the core's threads but for the first one, from their very start; return
    where they are."""
    opened = open_core(str(core))
    with open(core, "r+b") as file:
        places = sorted({segment_of(opened, thread.stack_pointer) for thread in opened.threads} - {main_stack(opened)})
        for start, end, offset in places:
            file.seek(offset)
            file.write(bytes(end - start))
    return [(start, end) for start, end, _ in places]


def main_stack(opened):
    return segment_of(opened, next(vma.start for vma in opened.address_space if vma.path == "[stack]"))


def segment_of(opened, address):
    segment = opened.memory.segment_at(address)
    return segment.start, segment.end, segment.offset


def cached(answers):
    return sum(row["state"] == "tcache" for row in answers[CHUNKS]["rows"])
