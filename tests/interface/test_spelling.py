"""Commands in what gdbheap says are spelled as they work: behind `gdbheap` where another plugin has their first
word."""

from __future__ import annotations

from gdbheap.interface.spelling import Spelling
from gdbheap.report.report import Column, Line, Prose, Report, Table

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
        (
            Prose(("`heap`",)),
            Table(
                (Column("next", "texts", "command"), Column("summary"), Column("count", "count")),
                [(("heap check", "bt"), "see `heap`", 3)],
                [Line((("", "next "), ("command", "heap check")))],
            ),
        ),
        notes=("`heap leaks`",),
    )
    spelled = TAKEN.report(report)
    assert list(spelled.table.rows) == [(("gdbheap heap check", "bt"), "see `gdbheap heap`", 3)]
    assert spelled.table.display == [Line((("", "next "), ("command", "gdbheap heap check")))]
    assert (spelled.notes, spelled.sections[0]) == (("`gdbheap heap leaks`",), Prose(("`gdbheap heap`",)))
    assert Spelling().report(report) is report
