"""A target that gives no files, and so not /proc/PID/maps (qemu-user's before 8.1): the heap is found all the same.

Of the kind of reports/qemu_user; gdbserver without files stands for qemu here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.fault_gallery import BITS, build_family
from support.gdb_runs import ask
from support.programs import build, running

CHUNKS, CHECK, VMMAP = "heap chunks", "heap check", "vmmap"
LEAKS, IGNORING = "heap leaks --kind all", "heap leaks --kind all --ignore-missing"
NO_FILES, NO_SIGINFO = "set remote hostio-open-packet off", "set remote read-siginfo-object-packet off"
COMMANDS = (CHUNKS, CHECK, LEAKS, IGNORING, VMMAP)


def ask_without_files(program, pid):
    """Return gdbserver's answers, which may not open files there."""
    server = f"target remote | gdbserver --once --attach stdio {pid}"
    return ask([str(program)], COMMANDS, get_there=[server, NO_FILES])


@pytest.mark.parametrize(
    ("name", "flags", "arguments"),
    [("mixed", (), ()), ("mixed", ("-static",), ()), ("threads", (), ("5",))],
    ids=["mixed", "static", "threads"],
)
def test_the_heap_is_found_by_the_pointers_to_it(name, flags, arguments):
    program = build(name, *flags)
    with running(program, *arguments) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        before = maps(process.pid)
        remote = ask_without_files(program, process.pid)
        assert maps(process.pid) == before  # (to read below a stack is to make it grow)
    assert rows_of(remote) == rows_of(live)
    assert remote[CHECK]["totals"] == live[CHECK]["totals"]
    assert [remote[each]["faults"] for each in COMMANDS] == [[], [], [], [], []]
    assert remote[LEAKS]["totals"]["definitely_lost_blocks"] == 0
    lost = live[LEAKS]["totals"]["definitely_lost_blocks"]
    assert remote[IGNORING]["totals"]["definitely_lost_blocks"] == lost
    for command in COMMANDS:
        assert any("does not list its mappings" in note for note in remote[command]["notes"])
    told, found = spans(live), spans(remote)
    assert all(any(low <= start and end <= high for low, high in joined(told)) for start, end in found)


def rows_of(answers):
    """Return the chunks. (Where no mappings are listed, only the dynamic linker names libc: by its soname, of which the
    file libc-2.31.so has a link.)"""
    text = json.dumps(answers[CHUNKS]["rows"])
    return json.loads(re.sub(r"libc-2\.\d+\.so", "libc.so.6", text))


def maps(pid):
    return Path(f"/proc/{pid}/maps").read_text()


def spans(answers):
    return [(int(row["start"], 16), int(row["end"], 16)) for row in answers[VMMAP]["rows"]]


def joined(ranges):
    """Return the ranges with those that touch made one."""
    whole = []
    for start, end in sorted(ranges):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole


@pytest.mark.parametrize(
    ("family", "case", "verdict"),
    [
        ("heap", "freed_twice", "malloc_abort"),
        ("pointers", "null_plus_offset", "null_plus_offset"),
        ("pointers", "non_canonical", "non_canonical"),
        ("mappings", "unmapped", None),
    ],
)
def test_what_stopped_it_is_told_without_the_kernels_word_where_that_needs_no_mappings(family, case, verdict):
    program = build_family(family, *BITS["x86-64"])
    get_there = [f"target remote | gdbserver --once stdio {program} {case}", NO_FILES, NO_SIGINFO, "continue"]
    answers = ask([str(program)], ["fault"], first=["set sysroot /"], get_there=get_there, then=["fault"])
    first = next(iter(answers["fault"]["rows"]), None)
    assert (first and first["verdict"]) == verdict
    assert "siginfo" in answers.text.partition("received signal")[2]
    if verdict is None:
        assert "\nSIGSEGV stopped this thread, and why is not known: " in answers.text
