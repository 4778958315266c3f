"""The address that an answer leaves in $_ for the next command."""

from __future__ import annotations

from gdbheap.process.address import Address
from gdbheap.report.example import example_of
from gdbheap.report.report import Column, Facts, Report, Table

ROWS = Table((Column("size", "size"), Column("mem", "address")), [(1, 0x10), (2, 0x20)])


def test_it_is_that_of_the_first_row():
    assert example_of(Report("x", (ROWS,))) == 0x10


def test_or_the_one_that_was_asked_about():
    assert example_of(Report("x", (ROWS, Facts({"address": Address(0x30)}, shown=False)))) == 0x30


def test_or_the_one_that_the_next_commands_are_about():
    assert example_of(Report("x", (ROWS,), example=0x20)) == 0x20


def test_or_none():
    assert example_of(Report("x", (Table((Column("size", "size"),), [(1,)]),))) is None
