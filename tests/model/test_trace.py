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
        ("  m 1 2 3", "m takes 2 numbers, not 3", 9),
        ("m 1 2x", "'2x' is no number", 4),
    ],
)
def test_a_mistake_is_pointed_at(line, reason, position):
    with pytest.raises(TraceError) as caught:
        parse("k\n" + line)
    assert (caught.value.reason, caught.value.text, caught.value.position) == (reason, line, position)
