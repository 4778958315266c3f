"""How many letters of text blocks begin with, as their first bytes tell: numpy and the compiled loop against a regular
expression, on text, on its likes, and on bytes that could be anything."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from gdbheap.analysis.types.texts import look_at_heads
from gdbheap.kernel import kernel as kernel_module
from support.kernels import compiled

LETTER = rb"[\t-\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
BEGUN = rb"[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2}"
LETTERS = (b"a", "ä".encode(), "€".encode(), "😀".encode(), b"\n")
NONE = (b"\x7f", b"\x01", b"\x80", b"\xf5", b"\xc1")


def told(head: bytes) -> int:
    """Return 1 and the letters before a zero; 1 for no text, 255 where one must look further."""
    text = re.match(b"((?:%b)*)\0" % LETTER, head)
    if text:
        return 1 + len(text[1])
    return 255 if re.fullmatch(b"(?:%b)*(?:%b)?" % (LETTER, BEGUN), head) else 1


def head(random_one: random.Random) -> bytes:
    if random_one.random() < 0.2:
        return random_one.randbytes(16)
    pieces = LETTERS, (b"\0",), NONE, ("€".encode()[:2],)
    kinds = random_one.choices(pieces, (30, 2, 1, 1), k=18)
    return b"".join(random_one.choice(kind) for kind in kinds)[:16]


@pytest.mark.parametrize("used", [None, compiled()], ids=["numpy", "kernel"])
def test_the_first_bytes_tell_how_many_letters_there_are(monkeypatch, used):
    monkeypatch.setattr(kernel_module, "_loaded", [used])
    random_one = random.Random(1)
    every = [head(random_one) for _ in range(20_000)]
    letters = np.zeros(len(every), np.uint8)
    letters[:100] = 7
    asked = np.array([random_one.randrange(len(every)) for _ in range(40_000)], np.int32)
    look_at_heads(np.frombuffer(b"".join(every), np.uint8).reshape(-1, 16), asked, letters)
    expected = [7] * 100 + [0] * (len(every) - 100)
    for block in set(asked.tolist()) - set(range(100)):
        expected[block] = told(every[block])
    assert letters.tolist() == expected
    assert min(np.bincount(letters, minlength=256)[[1, 2, 9, 16, 255]]) > 20
