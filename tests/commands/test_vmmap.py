"""`vmmap`, whole, on a process made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gdbheap.commands.vmmap import COMMAND
from gdbheap.errors import NoHeap, UsageError
from gdbheap.process.address_space import VMA
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.remarks import MappingsNotListed
from gdbheap.report.json import json_lines
from gdbheap.report.report import plain_text
from gdbheap.report.text import text_lines
from gdbheap.tables.mapping_folds import MappingSum, with_few_files
from support.made_process import HEAP, STACK, made_heap, made_process


class Stop:
    """A Target on the made process."""

    selected_thread = 2

    def __init__(self, process, heap):
        self.process = process
        self._heap = heap

    def heap(self):
        if self._heap is None:
            raise NoHeap("malloc was never called")
        return self._heap

    def evaluate(self, expression):
        known = {"heap": 0x1234, "$sp": STACK + 0x7000, "p": HEAP + 0x18, "p + 1": HEAP + 0x310}
        if expression in known:
            return known[expression]
        try:
            return int(expression, 0)
        except ValueError:
            raise UsageError(f'{expression}: No symbol "{expression}" in current context.') from None

    def symbol_at(self, address):
        return NamedAddress("greeting", 4, "server") if address == 0x404104 else None


def say(what=None, process=None, heap=True, pages=False):
    report = COMMAND.run(
        Stop(process or made_process(), made_heap() if heap else None), {"address|filter": what, "pages": pages}
    )
    return "".join(text_lines(report))


def test_all_mappings():
    assert (
        say()
        == """\
         start             end  perm     size  offset  what it is                    path
      0x400000        0x401000  r--p    4 KiB     0x0  program rodata                /bin/server
      0x401000        0x403000  r-xp    8 KiB  0x1000  program text                  /bin/server
      0x403000        0x404000  r--p    4 KiB  0x3000  program relro                 /bin/server
      0x404000        0x406000  rw-p    8 KiB  0x4000  program data                  /bin/server
      0x406000        0x408000  rw-p    8 KiB     0x0  program bss
     0x1000000       0x1021000  rw-p  132 KiB     0x0  heap of the main arena        [heap]
0x7f0000000000  0x7f0000021000  rw-p  132 KiB     0x0  heap of arena 1
0x7f0000021000  0x7f0004000000  ---p   64 MiB     0x0  reserve of arena 1
0x7f1000000000  0x7f1000001000  ---p    4 KiB     0x0  guard of thread 2
0x7f1000001000  0x7f1000009000  rw-p   32 KiB     0x0  stack of thread 2
0x7f2000000000  0x7f2000005000  rw-p   20 KiB     0x0  2 mmapped chunks + anonymous
0x7f3000000000  0x7f3000003000  rw-p   12 KiB     0x0  TLS of thread 1
0x7f3000004000  0x7f3000005000  r--p    4 KiB     0x0  file a file, deleted          /data/a file (deleted)
0x7ffe00000000  0x7ffe00021000  rw-p  132 KiB     0x0  main stack                    [stack]
0x7fff00000000  0x7fff00002000  r-xp    8 KiB     0x0  vdso                          [vdso]
by kind: arena reserve 64 MiB, main heap 132 KiB, arena heap 132 KiB, main stack 132 KiB, \
thread stack 32 KiB, mmapped chunk 16 KiB, \
tls 12 KiB, program text 8 KiB, 8 other kinds 44 KiB
by sharing: private anonymous 64 MiB, private file 28 KiB
total: mappings 15, bytes 67,493,888 (64 MiB), resident bytes unknown
next: vmmap --summary (by kind, module and size), heap rss (where the resident memory is)
"""
    )


def test_a_filter_takes_any_word_of_a_row():
    for word in ("arena 1", "ARENA_HEAP", "-p    "):
        assert "\ntotal: mappings " in say(word.strip())
    assert say("program data").splitlines()[1:2] == [
        "0x404000  0x406000  rw-p  8 KiB  0x4000  program data  /bin/server"
    ]
    assert "total: mappings 2, " in say("r-xp")
    assert "total: mappings 5, " in say("private_file")


def test_a_filter_that_is_also_an_expression_says_so():
    assert "\nnote: heap is also an expression, 0x1234: `vmmap (heap)` is about that address\n" in say("heap")


def test_an_address_in_a_chunk():
    assert (
        say("p")
        == """\
0x1000018 is 0x18 bytes into its mapping, 0x20fe8 before its end: heap of the main arena
in the chunk at 0x1000000 (0x300 bytes, in_use), 0x8 bytes into its mem
         start             end  perm     size  offset  what it is              path
      0x406000        0x408000  rw-p    8 KiB     0x0  program bss
     0x1000000       0x1021000  rw-p  132 KiB     0x0  heap of the main arena  [heap]
  ^ 0x1000018
0x7f0000000000  0x7f0000021000  rw-p  132 KiB     0x0  heap of arena 1
total: mappings 1, bytes 135,168 (132 KiB), resident bytes unknown
next: explain 0x1000018 (everything known about it)
"""
    )


def test_an_address_in_a_file():
    assert say("0x404104").splitlines()[:4] == [
        "0x404104 is 0x104 bytes into its mapping, 0x1efc before its end: program data",
        "offset 0x4104 of /bin/server",
        "ELF address 0x404104 of /bin/server",
        "greeting+4 in server",
    ]


def test_an_address_on_a_stack():
    assert say("$sp").splitlines()[:2] == [
        "0x7f1000007000 is 0x6000 bytes into its mapping, 0x2000 before its end: stack of thread 2",
        "at the stack pointer of thread 2",
    ]
    assert say(hex(STACK + 0x6FF0)).splitlines()[1] == "0x10 bytes below the stack pointer of thread 2"


def test_an_address_between_two_mappings():
    assert (
        say("0x1021000")
        == """\
0x1021000 is in no mapping
just past the end of heap of the main arena ([heap]), which ends at 0x1021000
0x7efffefdf000 bytes below heap of arena 1, which starts at 0x7f0000000000
the gap between them has 0x7efffefdf000 bytes
         start             end  perm     size  offset  what it is              path
     0x1000000       0x1021000  rw-p  132 KiB     0x0  heap of the main arena  [heap]
  - 0x1021000 -
0x7f0000000000  0x7f0000021000  rw-p  132 KiB     0x0  heap of arena 1
total: mappings 0, bytes 0, resident bytes unknown
next: explain 0x1021000 (everything known about it)
"""
    )


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("0", "0x0 is in no mapping: it is NULL"),
        ("0x18", "0x18 is in no mapping, near NULL"),
        ("0x800000000000", "0x800000000000 is in no mapping: it is not canonical (no x86-64 address with 48 bits)"),
        ("0xffff800000000000", "0xffff800000000000 is in no mapping: it is the kernel's half"),
    ],
)
def test_what_the_number_itself_tells(address, line):
    assert say(address).splitlines()[0] == line


def test_neither_mapping_nor_address_is_an_error_with_gdbs_words():
    with pytest.raises(UsageError) as caught:
        say("nonsense")
    assert str(caught.value) == (
        "no mapping matches 'nonsense', and it is not an address: nonsense: No symbol \"nonsense\" in current context."
    )


def test_without_a_heap_it_says_why_and_goes_on():
    text = say(heap=False)
    assert "\nnote: malloc's heaps could not be read, so they are not marked: malloc was never called\nnext: " in text
    assert "heap (brk)" in text


def test_json_has_the_published_fields():
    report = COMMAND.run(Stop(made_process(), made_heap()), {"address|filter": "[heap]", "pages": False})
    answer = json.loads("".join(json_lines(report)))
    assert answer["rows"] == [
        {
            "start": "0x1000000",
            "end": "0x1021000",
            "permissions": "rw-p",
            "size": 0x21000,
            "resident": None,
            "huge": None,
            "offset": 0,
            "what": "heap of the main arena",
            "path": "[heap]",
            "kind": "main_heap",
            "sharing": "private_anonymous",
            "inferred": False,
        }
    ]
    assert answer["totals"] == {
        "mappings": 1,
        "bytes": 0x21000,
        "resident_bytes": None,
        "by_kind": {"main_heap": 0x21000},
        "by_sharing": {"private_anonymous": 0x21000},
    }


def test_a_target_that_tells_no_mappings_has_none():
    process = replace(made_process([]), notes=(MappingsNotListed("no such file", found=False),))
    assert (
        say(process=process) == "total: mappings 0, bytes 0, resident bytes unknown\n"
        "note: the target does not list its mappings (no such file; qemu-user does from version 8.1 on): none is "
        "known\n"
    )


def test_pages_of_a_process_that_is_not_here_are_unknown():
    process = replace(made_process(), kind="remote")
    assert (
        say("[stack]", process, pages=True)
        == """\
         start             end  perm     size  pages     what it is  path
0x7ffe00000000  0x7ffe00021000  rw-p  132 KiB  ?      ?  main stack  [stack]
by kind: main stack 132 KiB
by sharing: private anonymous 132 KiB
total: mappings 1, bytes 135,168 (132 KiB), resident bytes unknown
note: the state of pages is known only for a process on this machine, not for a remote one
"""
    )


def asked(process=None, **asked):
    words = {"address|filter": None, "pages": False, **asked}
    return "".join(text_lines(COMMAND.run(Stop(process or made_process(), made_heap()), words)))


def test_runs_of_mappings_that_are_alike_are_told_once():
    at = 0x7F5000000000
    turns = [
        VMA(at + number * 0x41000 + offset, at + number * 0x41000 + offset + size, flags)
        for number in range(270)
        for offset, size, flags in ((0, 0x40000, "rw-p"), (0x40000, 0x1000, "---p"))
    ]
    assert asked(made_process(turns)).splitlines()[1:4] == [
        "0x7f5000000000  0x7f5000040000  rw-p  256 KiB     0x0  anonymous",
        "0x7f5000040000  0x7f5000041000  ---p    4 KiB     0x0  no access",
        "  … 538 mappings like these 2, up to 0x7f500448e000, 68 MiB: --count 0 shows all",
    ]
    assert len(asked(made_process(turns), count=0).splitlines()) == 1 + 540 + 4
    assert asked(made_process(turns), count=3).splitlines()[4] == "… 537 more mappings: --count 0 shows all"


def test_what_can_be_written_and_executed_is_marked_and_filtered():
    both = VMA(0x10000, 0x12000, "rwxp")
    text = VMA(0x20000, 0x21000, "r-xp")
    data = VMA(0x30000, 0x31000, "rw-p")
    process = made_process([both, text, data])
    assert asked(process, writable=True, executable=True).splitlines()[:3] == [
        "  start      end  perm   size  offset  what it is            path",
        "0x10000  0x12000  rwxp  8 KiB     0x0  executable anonymous",
        "    ↑ writable and executable",
    ]
    assert "  ┊ 56 KiB not mapped\n0x20000" in asked(process, gaps=True)
    assert asked(process, summary=True).splitlines()[:2] == [
        "kind       module  mappings    size  largest",
        "anonymous                 3  16 KiB    8 KiB",
    ]
    assert "none of these is there" in asked(made_process([data]), executable=True)


def sums(*files):
    known = {"kind": "file", "mappings": 1, "resident": 0}
    return [MappingSum(module=name, size=size, largest=size, **known) for name, size in files]


def test_of_many_files_the_summary_shows_the_largest():
    library = MappingSum("library_text", "libc.so.6", 1, 5000, 0, 5000)
    few = [library, *sums(*((f"f{n}", 10_000 - n) for n in range(6)))]
    assert with_few_files(few) == few
    many = [*sums(*((f"f{n}", 0x2000) for n in range(9))), library]
    shown = with_few_files(many)
    assert shown[:3] == many[:3] and shown[4] is library and len(shown) == 5
    assert plain_text(shown[3]) == "… 6 more files of 48 KiB: --count 0 shows all"


def test_the_kernels_own_page_does_not_make_the_columns_wider():
    page = VMA(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", path="[vsyscall]")
    process = made_process([*made_process().address_space, page])
    report = COMMAND.run(Stop(process, None), {"address|filter": None})
    lines = "".join(text_lines(report)).splitlines()
    assert "0xffffffffff600000-0xffffffffff601000  --xp  4 KiB  vsyscall, the kernel's own" in lines
    assert not any(line.startswith(" " * 11 + "0x") for line in lines)
    # A program is told of it as of any other.
    assert report.table.rows[-1].kind == "vsyscall"
    assert "\n0xffffffffff600000  0xffffffffff601000  --xp" in say('"vsyscall"', process)
