"""Traces as text: what is read, and where a mistake is pointed at."""

from __future__ import annotations

import pytest

from gdbheap.model.errors import TraceError
from gdbheap.model.trace import Operation, parse, unparse


def test_a_trace_reads_back_as_it_was_written():
    text = "m 0 24\nc 1 3 100\nr 2 0 -1\nk\nn\n"
    assert unparse(parse("# a remark\n\n" + text)) == text


def test_operations_keep_their_numbers():
    assert parse("a 7 64 1000") == [Operation("a", (7, 64, 1000))]


@pytest.mark.parametrize(
    ("line", "reason", "position"),
    [
        ("y 1", "no operation 'y'", 0),
        ("m 1", "m takes 2 numbers, not 1", 3),
        ("m 1  ", "m takes 2 numbers, not 1", 3),
        ("  m 1 2 3 4", "m takes 2 numbers, not 4", 8),
        ("m 2 2x", "'2x' is no number", 4),
        ("m 1 1 2", "m takes 2 numbers, not 3", 6),
        ("a 24 2 4x", "'4x' is no number", 7),
    ],
)
def test_a_mistake_is_pointed_at(line, reason, position):
    with pytest.raises(TraceError) as caught:
        parse("k\n" + line)
    assert (caught.value.reason, caught.value.number, caught.value.text, caught.value.position) == (
        reason,
        2,
        line,
        position,
    )


def test_a_mistake_is_shown_with_a_caret_below():
    with pytest.raises(TraceError) as caught:
        parse("m 1 24\nm 2 x24\n")
    assert str(caught.value) == "line 2: 'x24' is no number\n  m 2 x24\n      ^"
