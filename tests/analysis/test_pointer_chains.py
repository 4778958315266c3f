"""Where a word leads: to a text, a symbol, a value, in a circle."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest

from gdbheap.analysis.addresses.pointer_chain import pointer_chain
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.named_address import NamedAddress
from gdbheap.sentences.pointer_chains import chain_text, end_text

DATA, CODE = 0x10000, 0x20000
WORDS = {
    0x10000: 0x10100,  # to a text
    0x10008: 0x10010,  # in a circle
    0x10010: 0x10008,
    0x10020: 0x10028,  # to a value that is no address
    0x10028: 0xDEAD0000,
    0x10030: CODE + 4,
}


@pytest.fixture
def process():
    data = bytearray(0x1000)
    for place, word in WORDS.items():
        struct.pack_into("<Q", data, place - DATA, word)
    data[0x100:0x10F] = b"read-only text\0"
    space = AddressSpace((VMA(DATA, DATA + 0x1000, "rw-p"), VMA(CODE, CODE + 0x1000, "r-xp")))
    memory = ImageMemory([(DATA, bytes(data)), (CODE, bytes(0x1000))])
    return SimpleNamespace(address_space=space, memory=memory, pointer_size=8)


def symbol_at(address):
    return NamedAddress("work", address - CODE, "prog") if address >= CODE else None


@pytest.mark.parametrize(
    ("word", "whole", "end"),
    [
        (0x10000, ' → 0x10100 → "read-only text"', ' → "read-only text"'),
        (0x10008, " → 0x10010 → …", ""),
        (0x10020, " → 0x10028 → 0xdead0000", ""),
        (0x10030, " → 0x20004 <work+4 in prog>", " → <work+4 in prog>"),
        (CODE + 4, " <work+4 in prog>", " → <work+4 in prog>"),
        (0x10FFC, "", ""),
    ],
)
def test_a_word_leads_on(process, word, whole, end):
    chain = pointer_chain(process, word, symbol_at)
    assert (chain_text(chain), end_text(chain)) == (whole, end)


@pytest.mark.parametrize("word", [0, 8, 0xDEAD0000, 2**64 - 1])
def test_what_is_no_address_leads_nowhere(process, word):
    assert pointer_chain(process, word, symbol_at) is None
