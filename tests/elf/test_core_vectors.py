"""Vector registers out of a core's notes: laid out as the kernel lays them out."""

from __future__ import annotations

import struct

from gdbheap.elf.core_vectors import vector_words
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.x86.machines import I386, X86_64

POINTER = 0x7F12_3456_7890
FXSAVE, XSTATE, PRXFPREG = 2, 0x202, 0x46E6_2B7F


def note(size, *words, form="<Q"):
    """Return a note of this size with these words at these offsets."""
    body = bytearray(size)
    for offset, word in words:
        struct.pack_into(form, body, offset, word)
    return bytes(body)


def test_xmm_registers_are_in_the_fxsave_area():
    body = note(512, (160 + 9 * 16, POINTER), (160 + 15 * 16 + 8, POINTER + 8), (32, POINTER))
    assert list(vector_words(X86_64, FXSAVE, body)) == [("xmm9", POINTER), ("xmm15", POINTER + 8)]


def test_upper_halves_count_where_the_state_has_them():
    with_avx = note(832, (512, 0b111), (576 + 3 * 16, POINTER))
    without = note(832, (512, 0b011), (576 + 3 * 16, POINTER))
    assert list(vector_words(X86_64, XSTATE, with_avx)) == [("ymm3", POINTER)]
    assert list(vector_words(X86_64, XSTATE, without)) == []


def test_i386_has_eight_of_four_words():
    body = note(512, (160 + 7 * 16 + 12, 0xF7AB_CDE0), (160 + 8 * 16, 0xF7AB_CDE0), form="<I")
    assert list(vector_words(I386, PRXFPREG, body)) == [("xmm7", 0xF7AB_CDE0)]


def test_aarch64_has_thirty_two_and_its_tags_are_taken_off():
    body = note(528, (31 * 16, POINTER | 0xF2 << 56))
    assert list(vector_words(AARCH64, FXSAVE, body)) == [("v31", POINTER)]


def test_a_note_that_is_cut_off_ends_with_the_last_whole_register():
    body = note(512, (160, POINTER), (160 + 16, POINTER))[: 160 + 24]
    assert list(vector_words(X86_64, FXSAVE, body)) == [("xmm0", POINTER)]
    assert list(vector_words(X86_64, XSTATE, b"")) == []
