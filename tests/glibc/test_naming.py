"""One list has one name in all commands, and so has an arena."""

from __future__ import annotations

import re
from pathlib import Path

from gdbheap.analysis.prediction.outcome import source_of
from gdbheap.glibc.chunk_table import MMAPPED_ARENA
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.naming import arena_name, list_name
from gdbheap.sentences.facts.predictions import explain, source_text

SOURCES = Path(__file__).parents[2] / "gdbheap"


def test_a_list_is_named_by_kind_index_and_owner():
    assert list_name(Bin("tcache", 3, None, 812, 0x50, 0x50, (), thread_number=2)) == "tcache[3] of thread 2 (LWP 812)"
    assert list_name(Bin("tcache", 3, None, 812, 0x50, 0x50, ())) == "tcache[3] of LWP 812"
    assert list_name(Bin("unsorted", 1, 0, None, 0x20, None, ())) == "unsorted[1] of arena main"
    assert [arena_name(each) for each in (0, 1, MMAPPED_ARENA)] == ["main", "1", "mmapped"]


def test_a_prediction_names_bins_as_the_lists_are_named():
    assert source_text(source_of([("bin", 1, 0x1000, 0x20, True)], False)) == "unsorted[1]: chunk 0x1000, split"
    assert source_text(source_of([("bin", 63, 0x1000, 0, False)], False)) == "small[63]: chunk 0x1000"
    assert source_text(source_of([("to bin", 64)], True)) == "to large[64]"
    assert explain([("to bin", 2)]) == ["merged with its free neighbours, into small[2]"]


def test_no_sentence_calls_a_list_or_an_arena_otherwise():
    other = re.compile(r"bin \{|fastbin \{|kind\}\[|arena \{\w+\.(arena|index)\}")
    naming = SOURCES / "glibc" / "naming.py"
    found = [
        f"{path.name}: {line.strip()}"
        for path in SOURCES.rglob("*.py")
        if path != naming and path.parent.name != "model"
        for line in path.read_text().splitlines()
        if other.search(line)
    ]
    assert found == []
