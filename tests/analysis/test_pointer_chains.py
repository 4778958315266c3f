"""Where a word leads: to a text, a symbol, a value, in a circle."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest

from gdbheap.analysis.addresses.pointer_chain import pointer_chain
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.named_address import NamedAddress
from gdbheap.sentences.pointer_chains import chain_text, end_text, shortened

DATA, CODE = 0x10000, 0x20000
WORDS = {
    0x10000: 0x10100,  # to a text
    0x10008: 0x10010,  # in a circle
    0x10010: 0x10008,
    0x10020: 0x10028,  # to a value that is no address
    0x10028: 0xDEAD0000,
    0x10030: CODE + 4,
    0x10040: 0x10050,  # to an object: its vtable's address comes first
    0x10050: 0x10060,
    0x10060: CODE + 4,
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
    if address == 0x10060:
        return NamedAddress("vtable for Car", 16, "prog")
    return NamedAddress("work", address - CODE, "prog") if address >= CODE else None


@pytest.mark.parametrize(
    ("word", "whole", "end"),
    [
        (0x10000, ' → 0x10100 → "read-only text"', ' → "read-only text"'),
        (0x10008, " → 0x10010 → …", ""),
        (0x10020, " → 0x10028 → 0xdead0000", ""),
        (0x10030, " → 0x20004 <work+4 in prog>", " → <work+4 in prog>"),
        (0x10040, " → 0x10050 → 0x10060 <vtable for Car+16 in prog> → 0x20004 <work+4 in prog>", " → Car"),
        (0x10060, " <vtable for Car+16 in prog> → 0x20004 <work+4 in prog>", " → <vtable for Car+16 in prog>"),
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


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("vtable for std::vector<int>+16 in prog", "vtable for std::vector<int>+16 in prog"),
        (
            "Function<void (std::string const&), main::{lambda(std::string const&)#1}>::_M_invoke(int) in a",
            "Function<…>::_M_invoke(…) in a",
        ),
        (
            "bool operator< <std::pair<int, long>, std::string>(std::pair<int, long>, std::string) in a.so",
            "bool operator< <…>(…) in a.so",
        ),
        (
            "Handler<std::map<int, std::string>, std::less<int>>::operator()(std::string const&) const in server",
            "Handler<…>::operator()(…) const in server",
        ),
        (
            "Smart<std::map<int, std::string>, std::less<std::string>, Deleter>::operator->(unsigned long) in server",
            "Smart<…>::operator->(…) in server",
        ),
        (
            "(anonymous namespace)::of_the_whole_program<std::vector<std::string>>() in the_program_of_a_long_name",
            "(anonymous namespace)::of_the_whole_program<…>() in the_program_of_a_long_name",
        ),
        # What is no name of C++ stays.
        ("a_name_in_c_that_is_as_long_as_nobody_would_have_thought_that_it_was in prog",) * 2,
        (">>> )( a symbol that somebody has named so that it closes what it has not opened <<< in prog",) * 2,
    ],
)
def test_of_a_long_name_what_its_brackets_hold_is_left_out(name, short):
    assert shortened(name) == short
