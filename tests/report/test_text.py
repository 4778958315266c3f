"""Reports as text: the whole of what is printed."""

from __future__ import annotations

from gdbheap.report.paint import terminal_paint
from gdbheap.report.report import Column, Facts, FaultLine, Faults, Line, Prose, Report, Table
from gdbheap.report.rows import PATH, PREVIEW
from gdbheap.report.text import text_lines

COLUMNS = (
    Column("address", "address", "address"),
    Column("size", "size"),
    Column("in_bytes", "bytes"),
    Column("state", "text", "state"),
    Column("prev_inuse", "flag"),
    Column("links", "list"),
    Column("hidden", "count", shown=False),
    Column("path", "text", "path"),
)
ROWS = [
    (0x555555559000, 0x290, 656, "in_use", True, [], 1, "/usr/lib/x86_64-linux-gnu/libc.so.6"),
    (0x55555555, 0x20, 135168, "tcache", False, [0x10, 0x20], 2, ""),
    (0x7FFFF7DC2000, None, None, "unknown", None, None, 3, "a\x1b[2Jb"),
]


def table(columns, rows, display=None):
    return Report("heap things", (Table(tuple(columns), rows, display),))


def text(report, width=None, **options):
    return "".join(text_lines(report, width, **options))


def test_a_table_with_everything_around_it():
    report = Report(
        "heap things",
        (
            Prose(("Arena main", Line((("heading", "bold "), ("", "plain"))))),
            Table(COLUMNS, ROWS),
            Prose(("that was all",)),
            Facts({"chunks": 1234, "live_bytes": 135168, "top": None, "held_by": "main"}),
            Faults((FaultLine(0x1000, "corrupted size vs. prev_size", "0x20, not 0x30"), FaultLine(0x2000, "loop"))),
        ),
        notes=("one thing is not known",),
    )
    assert (
        text(report)
        == """\
Arena main
bold plain
       address   size  in bytes  state    prev inuse  links      path
0x555555559000  0x290     656 B  in_use   yes                    /usr/lib/x86_64-linux-gnu/libc.so.6
    0x55555555   0x20   132 KiB  tcache   no          0x10 0x20
0x7ffff7dc2000      ?         ?  unknown  ?           ?          a\\x1b[2Jb
that was all
total: chunks 1,234, live bytes 135,168 (132 KiB), top unknown, held by main
fault at 0x1000: corrupted size vs. prev_size: 0x20, not 0x30
fault at 0x2000: loop
note: one thing is not known
"""
    )


def test_a_path_gives_way_on_a_narrow_terminal():
    columns = (Column("start", "address"), Column("path", "text", "path", gives=PATH))
    rows = [(0x1000, "/usr/lib/x86_64-linux-gnu/libc.so.6"), (0x20000, "/bin/cat")]
    assert (
        text(table(columns, rows), width=30)
        == """\
  start  path
 0x1000  …/libc.so.6
0x20000  /bin/cat
"""
    )


def test_a_preview_gives_way_before_a_path_does():
    columns = (Column("preview", "text", "preview", gives=PREVIEW), Column("path", "text", "path", gives=PATH))
    rows = [("0123456789 0123456789", "/usr/lib/x86_64-linux-gnu/libc.so.6")]
    assert text(table(columns, rows), width=40).split("\n")[1] == "0123456789 0123…  …/libc.so.6"


def test_folded_rows_are_lines_among_the_others():
    columns = (Column("size", "size"), Column("state"))
    display_rows = [(0x20, "in_use"), Line.plain("... 990 more"), (0x123456, "top")]
    assert (
        text(table(columns, [], display_rows))
        == """\
    size  state
    0x20  in_use
... 990 more
0x123456  top
"""
    )


def test_columns_without_headings_have_no_line_of_headings():
    columns = (Column("what", heading=""), Column("found", heading=""))
    assert text(table(columns, [("version", "1"), ("x", "2")])) == "version  1\nx        2\n"


def test_nothing_to_show_is_no_table():
    assert text(Report("heap chunks", (Table(COLUMNS, []), Facts({"chunks": 0})))) == "total: chunks 0\n"


def test_colours_are_in_the_terminal_paint_alone_and_leave_the_columns_in_place():
    report = table((Column("address", "address", "address"), Column("state", token="state")), [(1, "top")])
    painted = text(report, paint=terminal_paint())
    assert painted == ("\x1b[01maddress\x1b[00m  \x1b[01mstate\x1b[00m\n    \x1b[34m0x1\x1b[39m  \x1b[35mtop\x1b[39m\n")
