"""`mm`, whole, on a process made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

from gdbheap.commands.mm import COMMAND
from gdbheap.errors import NoHeap
from gdbheap.glibc.layout import SIGNATURE, SYMBOL, Located
from gdbheap.report.json import json_lines
from gdbheap.report.report import Prose
from gdbheap.report.text import text_lines
from support.made_process import HEAP, made_heap, made_process


class Stop:
    """A Target on the made process, as a core of it; libc's break where `brk` tells it."""

    def __init__(self, brk=None, **changes):
        self.process = replace(made_process(), kind="core", **changes)
        self._brk = brk

    def heap(self):
        return replace(made_heap(), layout=self.layout())

    def layout(self):
        if self._brk is None:
            raise NoHeap("malloc was never called")
        return replace(made_heap().layout, brk=self._brk)


def report_of(**stop):
    return COMMAND.run(Stop(**stop), {})


def rows_of(report):
    return {row["name"]: row for row in json.loads("".join(json_lines(report)))["rows"]}


def test_the_whole_answer():
    assert (
        "".join(text_lines(report_of(brk=Located(HEAP + 0x20C10, SYMBOL))))
        == """\
0x7ffffffff000  ═ end of user space
                ┊ 4 GiB
0x7fff00002000  ┌ the kernel's own: 8 KiB
0x7fff00000000  └
                ┊ 4 GiB
0x7ffe00021000  ┌ main stack: 132 KiB
0x7ffe00000000  └
                ↓ the stack grows down
                ┊ 824 GiB
0x7f3000005000  ┌ mappings: 64 MiB in 7 mappings, and 192 GiB of gaps  ← mmap_base (at least)
                │ arena reserve 64 MiB, arena heap 132 KiB, thread stack 32 KiB, mmapped chunk 16 KiB, \
tls 12 KiB, thread guard 4 KiB, \
2 other kinds 8 KiB
0x7f0000000000  └
                ↓ new mappings are placed below
                ┊ 127 TiB
                ↑ brk grows up
     0x1021000  ┌ heap (brk): 132 KiB
     0x1020c10  │ ← brk
     0x1000000  └ ← start_brk
                ┊ 12 MiB
      0x408000  ┌ program /bin/server: 32 KiB in 5 mappings
                │ text 8 KiB, data 8 KiB, bss 8 KiB, rodata 4 KiB, relro 4 KiB
      0x405800  │ ← end_data
      0x403d00  │ ← start_data
      0x402100  │ ← end_code
      0x401000  │ ← start_code
      0x400000  └
                ┊ 4 MiB
           0x0  ═ NULL

name         value             known by         meaning
start_code   0x401000          program headers  the program's code begins
end_code     0x402100          program headers  the program's code ends
start_data   0x403d00          program headers  the program's data begins
end_data     0x405800          program headers  the program's data ends, as far as the file holds it; the bss follows
start_brk    0x1000000         heap mapping     brk's heap begins
brk          0x1020c10         libc             the program break, as sbrk(0) returns it
mmap_base    ≥ 0x7f3000005000  mappings         mappings are placed from here downwards (legacy layout: up)
start_stack  ?                 ?                the stack pointer when the program began
arg_start    ?                 ?                the text of the arguments begins
arg_end      ?                 ?                the text of the arguments ends
env_start    ?                 ?                the text of the environment begins
env_end      ?                 ?                the text of the environment ends
stack_limit  ?                 ?                the most that the main stack may grow to (ulimit -s)

                   virtual  resident  anonymous  swapped
private anonymous   64 MiB         ?          ?        ?
private file        28 KiB         ?          ?        ?
total: virtual bytes 67,493,888 (64 MiB), resident bytes unknown, anonymous bytes unknown, swapped bytes unknown
note: the stack limit and resident sizes are not available for a core
next: vmmap (mapping by mapping)
"""
    )


def test_rows_for_programs():
    rows = rows_of(report_of(brk=Located(HEAP + 0x20C10, SYMBOL)))
    assert rows["brk"] == {
        "name": "brk",
        "value": "0x1020c10",
        "unit": "address",
        "precision": "exact",
        "source": "libc",
        "meaning": "the program break, as sbrk(0) returns it",
    }
    assert (rows["mmap_base"]["value"], rows["mmap_base"]["precision"]) == ("0x7f3000005000", "at_least")
    unknown = {"value": None, "precision": None, "source": None}
    assert {key: rows["stack_limit"][key] for key in unknown} == unknown
    assert {key: rows["env_end"][key] for key in unknown} == unknown


def test_the_break_by_the_heaps_mapping_is_said_to_be_rounded_up():
    for brk in (None, Located(HEAP + 0x20000, SIGNATURE), Located(0, SYMBOL)):
        row = rows_of(report_of(brk=brk))["brk"]
        assert (row["value"], row["precision"], row["source"]) == ("0x1021000", "at_most", "heap mapping")
        assert row["meaning"] == "the program break, as sbrk(0) returns it; here rounded up to a page"


def test_a_break_of_libcs_that_the_mappings_deny_is_told_and_not_believed():
    report = report_of(brk=Located(HEAP + 0x40000, SYMBOL))
    assert rows_of(report)["brk"]["value"] == "0x1021000"
    assert report.notes[0] == (
        "libc's break (__curbrk) is 0x1040000, but the heap mapping ends at 0x1021000: somebody else moved it"
    )


def test_a_target_that_tells_no_mappings_has_its_headers_bounds():
    nothing = made_process([])
    report = report_of(address_space=nothing.address_space, modules=(), main=None)
    assert {row["value"] for row in rows_of(report).values()} == {None}
    assert report.sections[0] == Prose(()) and report.facts["virtual_bytes"] == 0
