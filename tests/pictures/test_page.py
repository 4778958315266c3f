"""The page of `heap report`: whatever the target is called, a parser finds our own elements alone, and nothing is
asked of any network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest

from gdbheap.analysis.chunk_use.heap_map import heap_map
from gdbheap.pictures.bars_svg import Bar, bars_svg, stacked_svg
from gdbheap.pictures.bytes_svg import BLOCK, HEADER, PAST, BytePicture, ByteSpan, bytes_svg
from gdbheap.pictures.heap_map_svg import COLUMNS, heap_map_svg
from gdbheap.pictures.html_table import html_table
from gdbheap.pictures.map_rows import map_rows
from gdbheap.pictures.page import Figure, Section, page
from gdbheap.pictures.space_svg import space_svg
from gdbheap.pictures.svg import Svg
from gdbheap.report.report import ABSENT, Column, Table
from support.made_areas import AREAS, NAMES
from support.made_process import made_heap
from support.parsed_html import Parsed

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> \" onload='x' & <!-- \x1b[31m \u202e \udc80 ]]>"
)


def drawings(name: str) -> list[Svg]:
    """One of each kind of picture, with this name wherever one goes."""
    found = heap_map(made_heap(), 0, None, 256)
    spans = [ByteSpan(0x1000, 0x1010, BLOCK), ByteSpan(0x1010, 0x1018, HEADER), ByteSpan(0x1010, 0x1014, PAST)]
    return [
        heap_map_svg(found, name),
        bars_svg(name, [Bar(name, (("live", 3), ("free", -5)), name), Bar("", ())], {"live": name}),
        stacked_svg(name, [("part0", name, 10), ("part1", "x", 0)]),
        bytes_svg(BytePicture(0x1000, bytes(range(128)), spans, (0x1010, 0x1018), [name, name]), name),
        space_svg(AREAS, {**NAMES, 0x555500000001: [name]}, 0x7FFFFFFFF000),
    ]


def made_page(name: str) -> str:
    table = Table(
        (Column("what", "text", heading=name), Column("size", "size"), Column("kind", "label", shown=False)),
        [(name, (16, 32), name), (name, 7, ABSENT), (None, None, None)],
    )
    figures = tuple(Figure(name, each, "map:0") for each in drawings(name))
    markup = "".join(html_table(table, name, 2, ("kind",)))
    sections = [Section("heap", name, (name,), figures, (markup,), (name,))]
    return "".join(page(name, name, sections, {"answers": {name: name}}))


def test_nothing_of_the_target_becomes_markup():
    plain, hostile = Parsed(made_page("plain")), Parsed(made_page(HOSTILE))
    # (A longer text may take more lines in a drawing: each is an element of its own.)
    assert {**hostile.elements, "text": 0} == {**plain.elements, "text": 0}
    assert attributes(hostile) == attributes(plain)
    assert hostile.elements["script"] == 2 and hostile.elements["img"] == 0
    assert not any(char in hostile.text for char in "\x1b\u202e\udc80")
    assert "</script><script>alert(1)" in hostile.text
    assert json.loads(hostile.raw["script"][0]) == {"answers": {HOSTILE: HOSTILE}}


def attributes(parsed):
    """Return how often each element but a drawing's lines of text has each attribute."""
    found = Counter(pair[:2] for pair in parsed.attributes if pair[0] != "text")
    texts = {pair[1] for pair in parsed.attributes if pair[0] == "text"}
    return found, texts


def test_the_page_may_run_its_own_script_and_ask_for_nothing():
    parsed = Parsed(made_page("plain"))
    policy = next(
        value for tag, name, value in parsed.attributes if (tag, name) == ("meta", "content") and "default-src" in value
    )
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (parsed.raw["style"][0], parsed.raw["script"][1])
    }
    assert policy.startswith("default-src 'none';")
    assert set(re.findall(r"'sha256-[^']+'", policy)) == hashes
    assert "unsafe" not in policy and "http" not in policy
    # What a page can load by; "#..." is a place of its own.
    loading = [each for each in parsed.attributes if each[1] in ("src", "href", "srcset", "action", "data", "style")]
    assert all(value.startswith("#") for _, _, value in loading)
    assert not any(name.startswith("on") for _, name, _ in parsed.attributes)


def test_a_drawing_is_whole_xml_with_words_for_who_cannot_see_it():
    for svg in drawings(HOSTILE.replace("\udc80", "")):
        root = ElementTree.fromstring(svg.document().encode())
        assert root.attrib["role"] == "img"
        assert root.find("{http://www.w3.org/2000/svg}title").text
        assert root.find("{http://www.w3.org/2000/svg}style").text


@pytest.mark.parametrize("most", [64, 2000])
def test_rows_alike_are_folded_and_none_is_lost(most: int):
    found = heap_map(made_heap(), 0, None, most)
    rows = map_rows(found, COLUMNS)
    assert [rows[0].first, *(row.end for row in rows)] == [0, *(row.first for row in rows[1:]), len(found)]
    for row in rows:
        if row.folded:
            assert row.size == int((found.end - found.start)[row.first : row.end].sum())
            assert row.folded == -(-(row.end - row.first) // COLUMNS)
            assert np.count_nonzero(found.bytes[row.kind][row.first : row.end]) == row.end - row.first
    assert any(row.folded for row in rows) == (most == 2000)
