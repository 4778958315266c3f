"""What is drawn can be shown by a terminal of any character set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gdbheap
from gdbheap.report.charset import in_charset

SIGNS = {
    sign for path in Path(gdbheap.__file__).parent.rglob("*.py") for sign in re.findall(r"[^\0-\x7f]", path.read_text())
}


@given(st.text(), st.sampled_from(["ascii", "ANSI_X3.4-1968", "ISO-8859-1", "koi8-r", "UTF-8", "no such set"]))
def test_what_comes_out_can_be_encoded_and_ascii_is_kept(text, charset):
    spelled = in_charset(text.encode("utf-8", "replace").decode(), charset)
    spelled.encode("ascii" if charset == "no such set" else charset)
    assert in_charset(spelled, charset) == spelled


@pytest.mark.parametrize("sign", sorted(SIGNS))
def test_every_sign_of_gdbheaps_own_is_drawn_in_ascii(sign):
    drawn = in_charset(sign, "ascii")
    assert drawn.isascii()
    assert "\\" not in drawn


def test_other_characters_are_escaped_where_the_set_lacks_them():
    assert in_charset("Süd €", "ascii") == "S\\xfcd \\u20ac"
    assert in_charset("Süd €", "ISO-8859-1") == "Süd \\u20ac"
    assert in_charset("Süd → €", "UTF-8") == "Süd → €"
