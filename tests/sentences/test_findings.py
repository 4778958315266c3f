"""What `heap check` says of a finding, whole."""

from __future__ import annotations

from gdbheap.analysis.invariants.finding import Must, Violation, WrongField, exactly
from gdbheap.analysis.suspects.diagnosis import Diagnosis
from gdbheap.analysis.suspects.suspected_writer import SuspectedWriter
from gdbheap.glibc.invariant import Invariant
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fault import called, dies_with
from gdbheap.sentences.facts.said import said
from gdbheap.sentences.findings import catching_lines, diagnosis_lines, further_lines

NOBODY = SuspectedWriter("unknown")


def text(lines) -> list[str]:
    return ["".join(piece for _, piece in line.pieces) for line in lines]


def test_a_violation_is_told_with_its_field_what_it_must_hold_and_why():
    wrong = Violation(
        Invariant.PREV_SIZE,
        dies_with("corrupted size vs. prev_size"),
        exactly(0x90),
        clause("any_call_takes_merges_free_chunk"),
        clause("size_of_the_free_chunk", address=Address(0x1000)),
        (0x1000,),
    )
    found = wrong.at(0x1090, WrongField("prev_size", 0x1090, 0x41), 0)
    diagnosis = Diagnosis(found, NOBODY, "watch -l *(unsigned long *)0x1090", "", "rr record PROGRAM")
    assert text([*diagnosis_lines(diagnosis), *catching_lines(diagnosis)]) == [
        "0x1090  corrupted size vs. prev_size",
        "    field   prev_size at 0x1090 is 0x41",
        "    must be 0x90",
        "    why     the free chunk at 0x1000 has that size",
        "    dies    any call that takes or merges the free chunk",
        "    or      the size field of 0x1000 is the wrong one",
        "    catch   watch -l *(unsigned long *)0x1090",
        "            rr record PROGRAM",
    ]
    one_line = "prev_size at 0x1090 is 0x41, must be 0x90; the free chunk at 0x1000 has that size"
    assert (said(found.detail), text(further_lines([found]))) == (one_line, [f"    and     {one_line}"])


def test_many_fields_that_one_write_broke_are_two_lines():
    head = Violation(
        Invariant.TCACHE_LINK,
        called("link_leads_to_no_chunk", list="tcache"),
        Must(),
        why=clause("any_call_takes_merges_free_chunk"),
    )
    found = [
        head.at(0x1010, WrongField(f"entries[{index}]", 0x1090 + 8 * index, 0x4141), None, 7) for index in range(5)
    ]
    lines = text(further_lines(found))
    assert len(lines) == 2
    assert lines[0].startswith("    and     entries[0] at 0x1090 is 0x4141")
    more = "4 more in the same way: entries[1] at 0x1098 to entries[4] at 0x10b0, each 0x4141 (JSON has each)"
    assert lines[1] == f"    and     {more}"
    assert len(text(further_lines(found[:3]))) == 3
    other = head.at(0x1010, WrongField("entries[5]", 0x10B8, 0x42), None, 7)
    assert text(further_lines([*found, other]))[1].endswith("to entries[5] at 0x10b8 (JSON has each)")


def test_a_field_that_is_not_to_be_seen_any_more_has_its_reason_alone():
    wrong = Violation(Invariant.TOP_CLOSED, called("top_closed_early"), Must(), why=clause("free_list_holds"))
    found = wrong.at(0x1000, WrongField("", 0x1008, None), 0)
    assert text(diagnosis_lines(Diagnosis(found, NOBODY))) == [
        "0x1000  top was closed before its end",
        "    field   a free list holds it",
    ]
    assert said(found.detail) == "a free list holds it"
