"""Reports on a terminal that is too narrow for them: no word and no number is broken in two."""

from __future__ import annotations

import pytest

from gdbheap.report.paint import terminal_paint
from gdbheap.report.printable import cut_middle, cut_path
from gdbheap.report.report import ABSENT, Column, Facts, FaultLine, Faults, GivesWay, Line, Prose, Report, Table
from gdbheap.report.rows import PATH, PREVIEW, goes
from gdbheap.report.text import text_lines

MAPPINGS = Table(
    (
        Column("start", "address"),
        Column("offset", "size", gives=goes(20)),
        Column("preview", "text", "preview", gives=PREVIEW),
        Column("path", "text", "path", gives=PATH),
    ),
    [(0x1000, 0x2000, '"twenty-two characters', "/usr/lib/libc.so.6")],
)


def text(width, *sections, notes=(), **options):
    return "".join(text_lines(Report("heap things", sections, notes), width, **options))


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (None, '0x1000  0x2000  "twenty-two characters  /usr/lib/libc.so.6'),
        (58, '0x1000  0x2000  "twenty-two characters  /usr/lib/libc.so.6'),
        (54, '0x1000  0x2000  "twenty-two chara…  /usr/lib/libc.so.6'),
        (52, '0x1000  0x2000  "twenty-two cha…  /usr/lib/libc.so.6'),
        (51, '0x1000  "twenty-two characters  /usr/lib/libc.so.6'),
        (48, '0x1000  "twenty-two charact…  /usr/lib/libc.so.6'),
        (44, '0x1000  "twenty-two cha…  /usr/lib/libc.so.6'),
        (42, '0x1000  "twenty-two cha…  …/lib/libc.so.6'),
        (38, '0x1000  "twenty-two cha…  …/libc.so.6'),
        (30, '0x1000  "twenty-two characters'),
    ],
)
def test_columns_give_way_in_their_order_and_only_as_far_as_is_needed(width, row):
    lines = text(width, MAPPINGS).splitlines()
    assert row in lines
    assert width is None or all(len(line) <= width for line in lines)


def test_what_still_finds_no_room_stands_below():
    columns = (Column("address", "address"), Column("size", "size"), Column("end", "address"))
    rows = [(0x555555559000, 0x290, 0x555555559290), (0x555555559290, 0x20, 0x5555555592B0)]
    assert text(24, Table(columns, rows)) == (
        "       address   size\n"
        "               end\n"
        "0x555555559000  0x290\n"
        "    0x555555559290\n"
        "0x555555559290   0x20\n"
        "    0x5555555592b0\n"
    )


def test_a_row_of_several_lines_is_divided_so_that_the_least_is_cut():
    cut = (GivesWay(10, 8, cut_middle),)
    columns = (
        Column("held", "count"),
        Column("holder", gives=cut),
        Column("type", gives=(GivesWay(5, 8, cut_middle),)),
        Column("example", "address"),
    )
    row = (7, "server->sessions", "std::vector<Session *>", 0x5555555592A0)
    assert text(30, Table(columns, [row])) == (
        "held  holder\n    type               example\n   7  server->sessions\n    std…ion *>  0x5555555592a0\n"
    )


def test_headings_are_broken_at_words_before_a_row_is():
    columns = (Column("system", "bytes", heading="from the system"), Column("in_use", "count", heading="live"))
    assert text(16, Table(columns, [(135168, 12)])) == "  from the\n    system  live\n   132 KiB    12\n"


def test_lines_among_the_rows_and_around_them_are_broken_at_words():
    said = Line((("heading", "in use "), ("", "they are 12 blocks")))
    table = Table((Column("size", "size"),), [said, (0x20,), said])
    assert text(15, Prose(("one two three four five",)), table) == (
        "one two three\n  four five\nsize\nin use they are\n  12 blocks\n0x20\nin use they are\n  12 blocks\n"
    )


def test_what_can_be_typed_stays_whole():
    note = "it is free: `heap search 0x555555559290` finds the pointers to it"
    assert text(40, notes=(note,)) == (
        "note: it is free:\n  `heap search 0x555555559290` finds the\n  pointers to it\n"
    )
    assert text(20, Prose((Line((("", "next: "), ("command", "heap check --types"))),))) == (
        "next:\n  heap check --types\n"
    )


def test_totals_and_faults_are_broken_at_words_too():
    facts, faults = Facts({"chunks": 1234567, "in_use": 1234567}), Faults((FaultLine(0x1000, "loop", "at 0x10"),))
    assert text(24, facts, faults) == (
        "total: chunks 1,234,567,\n  in use 1,234,567\nfault at 0x1000: loop:\n  at 0x10\n"
    )


def test_indented_lines_go_on_further_in():
    assert text(20, Prose(("    because the header says so",))) == "    because the\n      header says so\n"


def test_a_word_wider_than_the_terminal_stays_whole():
    assert text(12, Prose(("see /a/very/long/path here",))) == "see\n  /a/very/long/path\n  here\n"


NAME = "outer::inner::Envelope<std::map<std::string, std::vector<int>>, outer::inner::Codec>"


def test_a_name_of_cxx_wider_than_the_terminal_is_broken_where_its_parts_meet():
    assert text(24, Prose((f"the block is {NAME}",))) == (
        "the block is outer::\n  inner::Envelope<std::\n  map<std::string,\n  std::vector<int>>,\n"
        "  outer::inner::Codec>\n"
    )
    table = Table((Column("example", "address"), Column("what")), [(0x1000, NAME)])
    assert text(30, table) == (
        "example\n    what\n 0x1000\n    outer::inner::Envelope<\n    std::map<std::string,\n"
        "    std::vector<int>>,\n    outer::inner::Codec>\n"
    )


def test_a_column_with_nothing_in_it_goes_first():
    columns = (Column("example", "address"), Column("pointed_at", "count", gives=goes(1)), Column("preview"))
    rows = [(0x1000, ABSENT, "a text"), (0x2000, ABSENT, "b")]
    assert text(24, Table(columns, rows)) == "example  preview\n 0x1000  a text\n 0x2000  b\n"


def test_a_row_of_several_lines_leaves_no_column_out():
    """`share` goes where that lets a row be one line, and nowhere else."""
    columns = (
        Column("example", "address"),
        Column("share", "share", gives=goes(1)),
        Column("type", gives=(GivesWay(2, 20, cut_middle),)),
    )
    rows = [(0x1000, 0.5, "std::vector<std::string>")]
    assert text(36, Table(columns, rows)).splitlines()[1:] == [
        " 0x1000  std::vector<std::string>",
        "… no room for share: --json has all",
    ]
    assert text(24, Table(columns, rows)) == ("example   share\n    type\n 0x1000  50.0 %\n    std::ve…std::string>\n")


def test_a_path_in_a_column_is_broken_at_its_slashes():
    columns = (Column("field"), Column("meaning"))
    row = ("from", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30 at 0x1000")
    assert text(32, Table(columns, [row])) == (
        "field  meaning\nfrom   /usr/lib/\n       x86_64-linux-gnu/\n       libstdc++.so.6.0.30 at\n       0x1000\n"
    )


def test_colours_take_no_room():
    painted = text(15, Prose((Line.plain("one two three four five", "total"),)), paint=terminal_paint())
    assert painted.replace("\x1b[01m", "").replace("\x1b[00m", "") == "one two three\n  four five\n"


@pytest.mark.parametrize(
    ("width", "path"),
    [
        (18, "/usr/lib/libc.so.6"),
        (17, "…/lib/libc.so.6"),
        (14, "…/libc.so.6"),
        (10, "/us…c.so.6"),
        (2, "/usr/lib/libc.so.6"),
    ],
)
def test_the_directories_of_a_path_go_first(width, path):
    assert cut_path("/usr/lib/libc.so.6", width) == path


def test_a_last_column_of_prose_is_broken_at_words_and_goes_on_below_itself():
    columns = (Column("field"), Column("meaning"))
    prose = "the pointer that malloc returned; `heap owners 0x1000` lists who holds it"
    assert text(40, Table(columns, [("mem", prose)])) == (
        "field  meaning\n"
        "mem    the pointer that malloc returned;\n"
        "       `heap owners 0x1000` lists who\n"
        "       holds it\n"
    )


def test_a_long_preview_loses_its_end_before_columns_beside_it_are_left_out():
    chunks = Table(
        (Column("mem", "address", gives=goes(3)), Column("arena", gives=goes(1)), Column("preview", gives=PREVIEW)),
        [(0x555555559010, "main", "x" * 200)],
    )
    assert f"0x555555559010  main   {'x' * 57}…" in text(81, chunks)
    assert f"0x555555559010  {'x' * 49}…" in text(66, chunks)


def test_prose_is_broken_before_a_column_beside_it_is_left_out_while_it_can_be_read():
    told = Table(
        (Column("name"), Column("tunable", gives=goes(1)), Column("meaning")),
        [("top_pad", "tunable.name", "word " * 16)],
    )
    wide, narrow = text(72, told), text(70, told)
    assert wide.splitlines()[1:3] == [
        f"top_pad  tunable.name  {' '.join(['word'] * 10)}", f"{'':23}{' '.join(['word'] * 6)}"
    ]  # fmt: skip
    assert "tunable.name" not in narrow and "no room for tunable" in narrow
