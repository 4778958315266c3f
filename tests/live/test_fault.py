"""`fault` on the galleries: every way to die that fixtures/programs/faults_* know, live and on its core, 64 and 32
bits: the whole answer."""

from __future__ import annotations

import difflib
import re

import pytest

from support.certainty import contradictions
from support.fault_gallery import BITS, FLAGS, build_family, expected, run_gallery, said
from support.programs import build


@pytest.fixture(scope="module", params=list(BITS))
def gallery(request, tmp_path_factory):
    return request.param, run_gallery(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("kind", ["live", "core"])
def test_every_way_to_die_gets_its_whole_verdict(gallery, kind):
    bits, deaths = gallery
    wrong = []
    for name, death in deaths.items():
        wanted, got = expected(name, bits, kind), said(getattr(death, kind), death.told)
        wrong += [f"== {name}", *difflib.unified_diff(wanted, got, n=0, lineterm="")] if got != wanted else []
    assert not wrong, "\n".join(wrong)


def test_what_lies_around_the_address_is_as_far_as_is_said(gallery):
    _, deaths = gallery
    looked = 0
    for name, death in deaths.items():
        address = death.told.get("address")
        for row in death.live["rows"] if address is not None else ():
            for fact in row["evidence"] if row["address"] == f"{address:#x}" else ():
                match = re.search(r"(0x\w+) bytes (past the end of|before|into) (\w+)-(\w+) [-r][-w][-x]", fact)
                if match is not None:
                    distance, start, end = (int(match[index], 16) for index in (1, 3, 4))
                    true = {"past the end of": address - end, "before": start - address, "into": address - start}
                    assert distance == true[match[2]], (name, fact)
                    looked += 1
    assert looked >= 40


def test_nothing_that_the_program_told_or_its_mappings_say_speaks_against_what_is_certain(gallery):
    bits, deaths = gallery
    judged, wrong = 0, []
    for name, death in deaths.items():
        count, against = contradictions(name, 64 if bits == "x86-64" else 32, death)
        judged, wrong = judged + count, wrong + against
    assert not wrong, "\n".join(wrong)
    assert judged >= 60


def test_fatal_signals_are_explained_at_once_where_that_is_asked_for(gdb):
    program = build("faults_pointers", *FLAGS)
    asked = gdb(program, "set gdbheap auto-fault on", "break null_pointer", "run null_pointer", "continue")
    assert "null_pointer  (certain)" in asked["continue"]
    assert "certain" not in asked["run null_pointer"]
    assert "certain" not in gdb(program, "run null_pointer")["run null_pointer"]


def test_ordinary_stops_are_no_faults(gdb):
    program = build("faults_pointers", *FLAGS)
    stopped = gdb(
        program, "fault", "starti", "fault", "break main", "continue", "fault", "next", "fault", "kill", "fault"
    )
    assert stopped["fault"] == "there is no process: run a program, attach to one, or load a core\n"
    said = gdb(program, "break main", "run", "next", "fault")["fault"]
    assert said == (
        "no signal stopped this thread: there is no fault to explain. `explain ADDRESS` explains an address\n"
        "next: heap (what the heap holds), heap check (whether it is intact)\n"
    )


# As in a gdb that was built for another machine alone: a setting of x86's is none there.
WITHOUT_X86 = """python
import gdb
known = gdb.parameter
def parameter(name):
    if name == "disassembly-flavor":
        raise RuntimeError(f"Could not find parameter `{name}'.")
    return known(name)
gdb.parameter = parameter
"""


def test_a_gdb_that_knows_no_x86_explains_deaths_that_need_a_functions_code(gdb, tmp_path):
    (tmp_path / "without_x86").write_text(WITHOUT_X86 + "end\n")
    lines = ("run jump_to_null", "fault", "run trap_instruction", "fault ")
    program = build_family("control", "-O0")
    asked, other = (gdb(program, *first, *lines) for first in ((), (f"source {tmp_path / 'without_x86'}",)))
    assert "jump_to_null  (certain)" in asked["fault"]
    assert [other[each] for each in lines[1::2]] == [asked[each] for each in lines[1::2]]
