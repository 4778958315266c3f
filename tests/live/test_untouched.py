"""Memory that was never written is not in the kernel's cores: it counts as zeros, so that what was lost in the
process is lost in its core."""

from __future__ import annotations

import pytest

from gdbheap.elf.core_file import open_core
from gdbheap.errors import MemoryFault
from support.gdb_runs import ask, kernel_core
from support.programs import build, running

LEAKS = "heap leaks --kind all --blocks"
SIZE = 1 << 20


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",)], ids=["x86-64", "i386", "static"])
def test_what_was_lost_in_the_process_is_lost_in_its_kernels_core(tmp_path, flags):
    program = build("untouched", *flags)
    with running(program, directory=tmp_path) as process:
        search = "heap search held"
        live = ask(["-p", str(process.pid)], (LEAKS, search))
        core = kernel_core(process, tmp_path)
    dead = ask([str(program), str(core)], (LEAKS, search))
    assert dead[LEAKS]["rows"] == live[LEAKS]["rows"]
    # What was lost last may lie in a register, and in 32 bits a number may look like the address of another.
    assert dead[LEAKS]["totals"]["definitely_lost_blocks"] in ((9, 10, 11) if "-m32" in flags else (10, 11))
    assert dead[search]["rows"] == live[search]["rows"]
    (note,) = (note for note in dead[LEAKS]["notes"] if "MADV_DONTDUMP" in note)
    assert note.endswith("a core does not tell the two apart")


def test_what_is_assumed_is_told_where_an_answer_rests_on_it_alone(tmp_path):
    program = build("untouched")
    with running(program, directory=tmp_path) as process:
        core = kernel_core(process, tmp_path)
    lost = next(row["example"] for row in ask([str(program), str(core)], (LEAKS,))[LEAKS]["rows"] if is_lost(row))
    resting = (f"heap leaks --why {lost}", f"heap owners {lost}", "heap search 0x5ea2c4")
    others = ("heap leaks --why held", "heap owners held", "heap search held")
    answers = ask([str(program), str(core)], (*resting, *others))
    told = [each for each in (*resting, *others) if any("MADV_DONTDUMP" in note for note in answers[each]["notes"])]
    assert told == list(resting)


def is_lost(row):
    return row["kind"] == "definitely_lost"


def test_a_modules_bss_is_zeros_for_certain_and_what_else_is_missing_is_assumed_to_be(tmp_path):
    program = build("untouched")
    with running(program, directory=tmp_path) as process:
        facts = process.ledger.facts
        core = open_core(str(kernel_core(process, tmp_path)))
    bss, untouched, left_out = (int(facts[name], 16) for name in ("bss", "untouched", "left_out"))
    assumed = core.process().assumed_zeros
    for address, is_assumed in ((bss + SIZE // 2, False), (untouched, True), (left_out, True)):
        assert any(start <= address < end for start, end in assumed) is is_assumed
        assert core.memory.read(address, 4096) == bytes(4096)
    with pytest.raises(MemoryFault):  # closed: nobody can have read it
        core.memory.read(left_out - SIZE, 1)
