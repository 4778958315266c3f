"""Reports as JSON: the published schema."""

from __future__ import annotations

import json

import pytest

from gdbheap.errors import MemoryFault, NothingRuns, UsageError
from gdbheap.lazy import np
from gdbheap.report.failure import failure_of
from gdbheap.report.json import error_line, json_lines, row_lines
from gdbheap.report.report import Column, Facts, FaultLine, Faults, Next, Report, Table

COLUMNS = (
    Column("address", "address"),
    Column("size", "size"),
    Column("state"),
    Column("prev_inuse", "flag"),
    Column("links", "list"),
    Column("hidden", "count", shown=False),
)


def test_the_whole_schema():
    report = Report(
        "heap things",
        (
            Table(
                COLUMNS,
                [
                    (0x555555559000, 656, "in_use", True, [0x10], 3),
                    (2**64 - 1, None, "x\x1b\udcff", False, [], np.uint64(7)),
                ],
            ),
            Facts({"chunks": np.int64(2), "live_bytes": None}),
            Facts({"held_by": "main"}, shown=False),
            Faults((FaultLine(0x1000, "loop", "at 0x10"),)),
        ),
        notes=("a note",),
        next=(Next("heap leaks", "what is lost"),),
    )
    text = "".join(json_lines(report))
    assert text.isascii()
    assert json.loads(text) == {
        "schema": "gdbheap/1",
        "command": "heap things",
        "rows": [
            {
                "address": "0x555555559000",
                "size": 656,
                "state": "in_use",
                "prev_inuse": True,
                "links": ["0x10"],
                "hidden": 3,
            },
            {
                "address": "0xffffffffffffffff",
                "size": None,
                "state": "x\\x1b\\xff",
                "prev_inuse": False,
                "links": [],
                "hidden": 7,
            },
        ],
        "left_out": 0,
        "totals": {"chunks": 2, "live_bytes": None, "held_by": "main"},
        "notes": ["a note"],
        "faults": [{"address": "0x1000", "message": "loop", "detail": "at 0x10", "invariant": None, "facts": None}],
        "next": ["heap leaks"],
    }


def test_lines_are_the_rows_and_then_the_rest():
    report = Report("x", (Table((Column("size", "size"),), [(1,), (2,)], left_out=5), Facts({"sum": 3})), ("a note",))
    *rows, rest = map(json.loads, "".join(row_lines(report)).splitlines())
    assert rows == [{"size": 1}, {"size": 2}]
    whole = json.loads("".join(json_lines(report)))
    assert rest == {name: value for name, value in whole.items() if name != "rows"}
    assert rest["left_out"] == 5


@pytest.mark.parametrize(
    ("error", "code", "commands"),
    [
        (NothingRuns("none"), "nothing_runs", ["start"]),
        (MemoryFault(0x10, 8), "memory_unreadable", ["vmmap 0x10"]),
        (UsageError("no"), "usage", ["help heap x"]),
        (KeyboardInterrupt(), "interrupted", []),
        (MemoryError(), "out_of_memory", []),
        (ValueError("a bug"), "internal_error", []),
    ],
)
def test_an_error_has_a_code_a_message_and_what_to_do(error, code, commands):
    line = error_line("heap x", failure_of(error, "it \x1b failed", "help heap x"))
    assert json.loads(line) == {
        "schema": "gdbheap/1",
        "command": "heap x",
        "error": {"code": code, "message": "it \\x1b failed", "next": commands},
    }
    assert line.count("\n") == 1


def test_rows_for_people_do_not_change_the_rows():
    report = Report("x", (Table((Column("size", "size"),), [(1,), (2,)], [(1,)]),))
    assert json.loads("".join(json_lines(report)))["rows"] == [{"size": 1}, {"size": 2}]


def test_rows_are_made_some_thousand_at_a_time():
    class Rows:
        """A million rows that exist only as they are asked for."""

        asked = 0

        def __len__(self):
            return 10**6

        def __getitem__(self, row):
            if row >= len(self):
                raise IndexError
            Rows.asked = row
            return (row,)

    lines = json_lines(Report("x", (Table((Column("size", "size"),), Rows()),)))
    for _ in range(2):
        next(lines)
    assert Rows.asked < 10_000
