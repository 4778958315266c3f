"""What parts two cores, and what does not."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.triage.row import Row
from gdbheap.triage.signature import family, grouped, signature

CRASH = Row(
    key="a",
    core="/var/crash/core.1",
    machine="x86-64",
    program="/opt/server-1.2/bin/server-1.2",
    verdict="null_pointer",
    confidence="certain",
    frames=("Queue::pop", "serve", "main"),
)
LOST = {"kind": "definitely_lost", "what": "Widget", "chunk_size": 0x30, "count": 9, "bytes": 432, "hanging_bytes": 0}
LEAK = replace(CRASH, verdict="none", confidence="", leaks=(LOST,), lost_bytes=432, in_use_bytes=4000)


def group(row: Row) -> str:
    return grouped(row).group


def test_place_process_and_build_part_nothing():
    other = replace(
        CRASH,
        key="b",
        core="/elsewhere/core.77",
        program="/home/me/server-1.3",
        build="77aa",
        summary="the pointer is at 0x7ffd",
        glibc="2.41",
        errors=("heap leaks: it takes longer",),
    )
    assert group(other) == group(CRASH)


def test_verdict_and_frames_part():
    assert group(replace(CRASH, verdict="freed_chunk")) != group(CRASH)
    assert group(replace(CRASH, frames=("Queue::push", "serve", "main"))) != group(CRASH)


def test_a_frame_that_all_programs_have_is_told_with_its_program():
    in_main = replace(CRASH, frames=("main",))
    assert group(replace(in_main, program="/bin/other")) != group(in_main)
    assert group(replace(in_main, program="/opt/server-1.3/bin/server-1.3")) == group(in_main)
    assert signature(in_main).sure == "possible"


def test_where_a_recursion_ended_does_not_matter():
    deep = replace(CRASH, verdict="stack_overflow", frames=("ping", "pong", "main"))
    assert group(replace(deep, frames=("pong", "ping", "main"))) == group(deep)


def test_a_recursion_of_one_function_is_told_with_its_program():
    deep = replace(CRASH, verdict="stack_overflow", frames=("recurse",))
    assert group(replace(deep, program="/bin/other")) != group(deep)
    assert group(replace(deep, program="/opt/server-1.3/bin/server-1.3")) == group(deep)
    assert signature(deep).sure == "certain"


def test_where_a_lost_frame_went_instead_parts():
    lost = replace(CRASH, verdict="return_address_overwritten", verdicts=("return_address_overwritten", "jump_to_null"))
    assert group(replace(lost, verdicts=("return_address_overwritten", "jump_to_unmapped"))) != group(lost)
    certain = replace(CRASH, verdicts=("null_pointer", "freed_chunk"))
    assert group(certain) == group(CRASH)


def test_a_leak_is_its_type_its_size_and_its_program():
    found = grouped(LEAK)
    assert (found.kind, found.sure) == ("leak", "likely")
    assert found.signature == "lost: Widget of 0x30 bytes, by server-1.2"
    assert group(replace(LEAK, leaks=({**LOST, "count": 70, "bytes": 3360},))) == found.group
    assert group(replace(LEAK, leaks=({**LOST, "chunk_size": 0x40},))) != found.group
    assert group(replace(LEAK, leaks=({**LOST, "what": "Gadget"},))) != found.group
    assert group(replace(LEAK, program="/bin/client")) != found.group


def test_a_signal_from_outside_is_no_cause():
    assert grouped(replace(LEAK, verdict="external_signal", confidence="certain")).group == group(LEAK)


def test_little_that_is_lost_is_not_what_a_core_is_about():
    assert grouped(replace(LEAK, in_use_bytes=1 << 20)).kind == "quiet"
    much = {"holder": "cache", "type": "Map", "kind": "static", "bytes": 3 << 20, "share": 0.7, "blocks": 9}
    growing = grouped(replace(LEAK, in_use_bytes=4 << 20, suspects=(much,)))
    assert (growing.kind, growing.signature) == ("growth", "held: most of the heap by cache (Map)")


def test_what_was_not_asked_is_no_answer():
    """A process that was ended before `fault` has no cause, one before `heap leaks` has lost nobody knows what."""
    cut = grouped(replace(CRASH, verdict="", errors=("fault: it takes longer than 5 s (--time)",)))
    assert (cut.kind, cut.sure) == ("unread", "unknown")
    unasked = grouped(replace(LEAK, leaks=(), lost_bytes=None, errors=("heap leaks: it takes longer",)))
    assert unasked.sure == "unknown"
    assert unasked.group != group(replace(LEAK, leaks=(), lost_bytes=0))


def test_the_same_error_is_one_group_wherever_it_is():
    one, other = (Row(key, f"/{key}", errors=(f"/{key}/core is no core file, at 0x{key}",)) for key in ("1", "2"))
    assert group(one) == group(other)


def test_families():
    assert [family(f"/usr/bin/{name}") for name in ("python3.11", "redis-server", "a.out", "7z")] == [
        "python",
        "redis",
        "a",
        "7z",
    ]
