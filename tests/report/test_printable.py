"""What comes from the target is made safe to print, and sizes read well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbheap.report.printable import cut_end, cut_middle, display_width, human_size, pointed_at, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("grün 漢字 █", "grün 漢字 █"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\0"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202edef", "abc\\u202edef"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\xff\\xfe"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_controls_and_overrides_are_escaped(text, expected):
    assert printable(text) == expected


@given(st.text())
def test_what_comes_out_prints_as_one_line_and_encodes(text):
    safe = printable(text)
    assert safe.encode().decode() == safe
    assert safe == printable(safe)
    assert all(char.isprintable() for char in safe if char != "\u3000" and not char.isspace())
    assert len(safe.splitlines()) <= 1


def test_wide_and_combining_characters_take_their_columns():
    assert display_width("漢字") == 4
    assert display_width("e\u0301") == 1


def test_a_path_is_cut_in_its_middle():
    assert cut_middle("/usr/lib/x86_64-linux-gnu/libc.so.6", 20) == "/usr/li…nu/libc.so.6"
    assert display_width(cut_middle("/usr/lib/x86_64-linux-gnu/libc.so.6", 20)) == 20
    assert cut_middle("/short", 20) == "/short"


def test_a_preview_is_cut_at_its_end():
    assert cut_end("漢字漢字", 6) == "漢字…"
    assert cut_end("漢字漢字", 8) == "漢字漢字"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (656, "656 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (135168, "132 KiB"),
        (1023 * 1024, "1 MiB"),
        (1234567, "1.2 MiB"),
        (1 << 30, "1 GiB"),
        (-1536, "-1.5 KiB"),
        ((1 << 64) - 1, "16 EiB"),
    ],
)
def test_sizes_read_well(size, expected):
    assert human_size(size) == expected


def test_a_place_in_a_line_is_pointed_at():
    assert pointed_at("malloc 3; fre 0", 10, 13) == "  malloc 3; fre 0\n            ^~~"
    assert pointed_at("free", 4, 5) == "  free\n      ^"
    assert pointed_at("é\t界 x", 4, 5) == "  é\\t界 x\n        ^"


def test_of_a_long_line_what_is_around_the_place_is_shown():
    line = "a" * 100 + "b" * 10 + "c" * 100
    before, behind = "…" + "a" * 29, "c" * 29 + "…"
    assert pointed_at(line, 100, 110) == f"  {before}{'b' * 10}{behind}\n  {' ' * 30}^{'~' * 9}"
