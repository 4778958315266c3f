"""A picture or a page on standard output stands there alone, in its answer's place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gdbheap.errors import UsageError
from gdbheap.pictures.drawn_file import in_its_place, with_svg
from gdbheap.report.deliver import OutputForm, to_screen
from gdbheap.report.report import Prose, Report

ANSWER = Report("heap rss", (Prose(("verdict: none",)),))
WORDS = {"svg": "-", "json": False, "output": None}


def written(report, form=OutputForm.TEXT):
    pieces = []
    to_screen(report, pieces.append, form, 80, colour=False)
    return "".join(pieces)


def test_the_drawing_stands_there_alone():
    drawn = with_svg(ANSWER, WORDS, lambda: SimpleNamespace(document=lambda: "<svg/>\n"))
    assert written(drawn) == "<svg/>\n"


def test_an_answer_without_a_drawing_says_so():
    assert written(with_svg(ANSWER, WORDS, lambda: None)) == "verdict: none\nthere is nothing to draw\n"


@pytest.mark.parametrize("other", [{"json": True}, {"output": "file"}, {"output": "-"}])
def test_standard_output_takes_one_thing(other):
    with pytest.raises(UsageError, match="- is standard output, and only one thing can go there"):
        in_its_place(ANSWER, {**WORDS, **other}, ("<svg/>",))
