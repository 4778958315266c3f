"""What a person reads of heap leaks: a long list, a ring and a class of many sizes are one line each, texts one for
each size."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from gdbheap.types.short_names import short_name
from support.gdb_runs import ask
from support.programs import build, running

# The list, what is linked both ways (a cycle between any two of its nodes) and the ring have nodes of 20, 50 and 100
# bytes.
EXPECTED = """\
count bytes hanging hanging bytes chunk size example what
definitely lost
1 32 B 49,999 1.5 MiB 0x20 ADDRESS [block pointer, 0]
1 64 B 19,999 1.2 MiB 0x40 ADDRESS [block pointer, 0]
1 112 B 9,999 1.1 MiB 0x70 ADDRESS [block pointer, 0]
30 3.8 KiB 0 0 B 0x20-0xe0 ADDRESS Widget
16 2.5 KiB 0 0 B 0xa0 ADDRESS text: "request of nobod…"
16 2.2 KiB 0 0 B 0x90 ADDRESS text: "request of nobod…"
16 2 KiB 0 0 B 0x80 ADDRESS text: "request of nobod…"
16 1.8 KiB 0 0 B 0x70 ADDRESS text: "request of nobod…"
16 1.5 KiB 0 0 B 0x60 ADDRESS text: "request of nobod…"
7 1.2 KiB 0 0 B 0xb0 ADDRESS text: "request of nobod…"
13 1 KiB 0 0 B 0x50 ADDRESS text: "request of nobod…"
definitely lost: 133 blocks, 16 KiB
indirectly lost: 79,997 blocks, 3.8 MiB
possibly lost: 0 blocks, 0 B
"""


def test_what_is_one_leak_to_a_person_is_one_line(gdb):
    none = "heap leaks --what gadget"
    answers = gdb(build("leaks_grouped"), "break inspected", "run", "heap leaks", none)
    assert answers[none].startswith("no group of these kinds has 'gadget' in its name\n definitely lost: 133 blocks")
    said = answers["heap leaks"]
    # What follows is what libstdc++ keeps for exceptions, which differs with its release, and what leads on.
    lines = [re.sub(r"0x[0-9a-f]{8,}", "ADDRESS", " ".join(line.split())) for line in said.splitlines()]
    expected = EXPECTED.splitlines()
    assert lines[: len(expected)] == expected


def test_json_has_the_sizes_apart_and_its_rows_add_up():
    command = "heap leaks"
    answer = ask([str(build("leaks_grouped"))], (command,), get_there=("break inspected", "run"))[command]
    widgets = {row["chunk_size"]: row["count"] for row in answer["rows"] if row["what"] == "Widget"}
    assert widgets == {0x20: 10, 0x80: 10, 0xE0: 10}
    texts = [row for row in answer["rows"] if row["what"] == "text"]
    assert sum(row["count"] for row in texts) == 100
    assert {row["text"] for row in texts} == {"request of nobod"}
    for kind in ("definitely_lost", "indirectly_lost", "possibly_lost", "still_reachable"):
        rows = [row for row in answer["rows"] if row["kind"] == kind]
        assert sum(row["count"] for row in rows) == answer["totals"][f"{kind}_blocks"]
        assert sum(row["bytes"] for row in rows) == answer["totals"][f"{kind}_bytes"]


# Of reports/text_rows.c's kind. On one of the smallest texts more hangs than on all others, and it begins as no other
# does.
TEXT_ROWS = """\
5,001 156 KiB 1 4.9 KiB 0x20 ADDRESS text: "host-0.example.o…"
300 61 KiB 0 0 B 0xd0 ADDRESS text: "record of custom…"
40 2.5 KiB 0 0 B 0x40 ADDRESS {last}
"""


def test_text_is_no_name_examples_are_typical_and_a_symbol_is_named_at_its_very_start(gdb):
    untyped = "heap leaks --count 9"
    said = gdb(build("text_rows"), "break inspected", "run", "heap leaks", "set gdbheap types off", untyped)
    for command, last in (("heap leaks", "likely struct object"), (untyped, "[..., &type_of_lists]")):
        lines = [re.sub(r"0x[0-9a-f]{8,}", "ADDRESS", " ".join(line.split())) for line in said[command].splitlines()]
        # (What else is lost with a text, or apart, depends on what the block held before.)
        rows = [line for line in lines[2:6] if "static pointer" not in line]
        assert rows[:3] == TEXT_ROWS.format(last=last).splitlines()


LOST = {
    "Diamond": 3,
    "Diamond[]": 3,
    "Row<double, 3>": 3,
    "(anonymous namespace)::Hidden": 3,
    "app::Cache<int>::Node": 3,
    "Multiple": 3,
    "make()::Local": 3,
    "std::_Sp_counted_ptr_inplace<(anonymous namespace)::Hidden>": 3,
}


@pytest.mark.parametrize("flags", [(), ("-s",), ("-s", "-m32"), ("-s", "-static")])
def test_classes_are_named_with_symbols_and_without(flags, tmp_path):
    with running(build("classes", *flags)) as program:
        core = tmp_path / "core"
        live = ask(["-p", str(program.pid)], ("heap leaks",), then=(f"generate-core-file {core}",))["heap leaks"]
    dead = ask([str(build("classes", *flags)), str(core)], ("heap leaks",))["heap leaks"]
    for answer in (live, dead):
        found: Counter[str] = Counter()
        for row in answer["rows"]:
            found[short_name(row["what"])] += row["count"]
        assert {name: found[name] for name in LOST} == LOST, found
