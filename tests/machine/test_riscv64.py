"""riscv64: a core that gdb-multiarch made of a process of qemu's (glibc 2.41), read without gdb and without the files
that ran, against what the program said of itself."""

from __future__ import annotations

from gdbheap.machine.riscv64.machines import RISCV64
from support.expected import shown
from support.leak_oracles import KINDS, differences, expected, verdicts_of
from support.stored_cores import answer, said_by

LEAKS = "riscv64/leaks"


def test_every_block_of_the_gallery_has_its_verdict() -> None:
    text = said_by(LEAKS)
    rows = answer(LEAKS, "heap leaks --kind all --blocks --count 0")["rows"]
    kinds = {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in rows}
    assert differences(verdicts_of(text, kinds), expected(text)) == {}


def test_threads_have_their_tcaches_and_stacks() -> None:
    found = answer(LEAKS, "heap check")
    # (Neither the program nor its libraries came with the core.)
    assert found["faults"] == [] and [note for note in found["notes"] if "not here" not in note] == []
    owned = [state for _, state in shown(answer(LEAKS, "heap chunks --count 0")).values() if state == "malloc_owned"]
    assert len(owned) == 3
    kinds = [row["kind"] for row in answer(LEAKS, "vmmap")["rows"]]
    assert (kinds.count("thread_stack"), kinds.count("thread_guard")) == (2, 2)


def test_a_call_is_known_by_its_bytes() -> None:
    calls = "e7800000", "eff01fff", "13008297"  # jalr ra; jal ra; (nop's second half and) c.jalr a5
    others = "67800000", "6ff01fff", "13008287", "13000290", "1300ba97"  # ret; j; c.jr a5; c.ebreak; c.add a5, a4
    assert [RISCV64.code.ends_with_call(bytes.fromhex(each)) for each in (*calls, *others)] == [True] * 3 + [False] * 5
