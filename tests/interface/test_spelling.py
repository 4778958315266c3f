"""Commands in what gdbheap says are spelled as they work: behind `gdbheap` where another plugin has their first
word."""

from __future__ import annotations

from gdbheap.interface.spelling import Spelling
from gdbheap.report.report import Column, Line, Report

TAKEN = Spelling(frozenset({"heap"}))


def test_only_what_is_taken_gets_the_prefix():
    assert [TAKEN.line(each) for each in ("heap", "heap chunk 0x1", "heaps", "vmmap 1", "gdbheap heap",
    "help heap")] == [
        "gdbheap heap", "gdbheap heap chunk 0x1", "heaps", "vmmap 1", "gdbheap heap", "help heap",
    ]  # fmt: skip


def test_in_sentences_what_stands_in_backticks_is_a_command():
    assert TAKEN.sentence("the heap: `heap bins` or `vmmap heap`") == "the heap: `gdbheap heap bins` or `vmmap heap`"
    assert Spelling().sentence("`heap bins`") == "`heap bins`"


def test_a_report_is_spelled_whole():
    report = Report(
        "fault",
        (Column("next", "texts", "command"), Column("summary"), Column("count", "count")),
        [(("heap check", "bt"), "see `heap`", 3)],
        display_rows=[Line((("", "next "), ("command", "heap check")))],
        notes=("`heap leaks`",),
        before=("`heap`",),
    )
    spelled = TAKEN.report(report)
    assert list(spelled.rows) == [(("gdbheap heap check", "bt"), "see `gdbheap heap`", 3)]
    assert spelled.display_rows == [Line((("", "next "), ("command", "gdbheap heap check")))]
    assert (spelled.notes, spelled.before) == (("`gdbheap heap leaks`",), ("`gdbheap heap`",))
    assert Spelling().report(report) is report
