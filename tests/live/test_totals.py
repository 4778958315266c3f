"""The totals of gdbheap against those that the same process prints of itself: mallinfo (mallinfo2), and malloc_info
by arena."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build, running

PROGRAMS = {
    "many_sizes": (),
    "mixed": ("7", "20000"),
    "threads": ("9",),
    "mmapped": (),
    "fenceposts": (),
    "many_heaps": (),
}


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",)], ids=["x86-64", "i386", "static"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_totals_are_those_that_the_program_prints(name, flags):
    with running(build(name, *flags), *PROGRAMS[name]) as program:
        answers = ask(["-p", str(program.pid)], ["heap chunks", "heap arenas"])
        ledger = program.finish()
    rows, arenas = answers["heap chunks"]["rows"], answers["heap arenas"]["rows"]
    ordinary = [row for row in rows if row["arena"] != "mmapped"]
    fast, binned, top = (of(ordinary, *states) for states in (["fastbin"], ["unsorted", "small", "large"], ["top"]))
    system = sum(row["system_bytes"] for row in arenas)
    free = total(fast) + total(binned) + total(top)
    info = ledger.mallinfo
    assert {
        "arena": system,
        "ordblks": len(binned) + len(arenas),
        "smblks": len(fast),
        "hblks": len(rows) - len(ordinary),
        "fsmblks": total(fast),
        "fordblks": free,
        "uordblks": system - free,
        "keepcost": total(row for row in top if row["arena"] == "main"),
    } == {name: value for name, value in info.items() if name != "hblkhd"}
    # A note would say that the mmapped chunks found are not those that mp_ counts, in number or in bytes.
    assert (answers["heap chunks"]["faults"], answers["heap chunks"]["notes"]) == ([], [])


@pytest.mark.parametrize("name", ["threads", "many_heaps", "fenceposts"])
def test_each_arena_is_as_malloc_info_has_it(name):
    with running(build(name), *PROGRAMS[name]) as program:
        answers = ask(["-p", str(program.pid)], ["heap chunks", "heap arenas"])
        ledger = program.finish()
    shown = {}
    for arena in answers["heap arenas"]["rows"]:
        rows = [row for row in answers["heap chunks"]["rows"] if row["arena"] == arena["arena"]]
        fast, binned, top = of(rows, "fastbin"), of(rows, "unsorted", "small", "large"), of(rows, "top")
        # malloc_info adds up the size fields of the chunks in bins with their flags (always PREV_INUSE alone).
        rest = (len(binned) + len(top), total(binned) + len(binned) + total(top))
        shown[arena["arena"]] = {
            "fast": (len(fast), total(fast)),
            "rest": rest,
            "system": (arena["system_bytes"], arena["max_system_bytes"]),
        }
    printed = {}
    for heap in ledger.malloc_info.findall("heap"):
        number = "main" if heap.get("nr") == "0" else heap.get("nr")
        # The totals of "fast" went with the fastbins.
        totals = {each.get("type"): (int(each.get("count")), int(each.get("size"))) for each in heap.findall("total")}
        system = {each.get("type"): int(each.get("size")) for each in heap.findall("system")}
        printed[number] = {
            "fast": totals.get("fast", (0, 0)),
            "rest": totals["rest"],
            "system": (system["current"], system["max"]),
        }
    assert shown == printed


def of(rows, *states):
    return [row for row in rows if row["state"] in states]


def total(rows):
    return sum(row["size"] for row in rows)
