"""Vector registers out of a core's notes: laid out as the kernel lays them out."""

from __future__ import annotations

import struct

import pytest

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


INTEL, AMD = 2696, 2440  # the sizes of their notes, with protection keys
AVX512 = (464, 0xE7), (512, 0xE7)


@pytest.mark.parametrize(("size", "upper", "whole"), [(INTEL, 1152, 1664), (11008, 1152, 1664), (AMD, 896, 1408)])
def test_zmm_registers_have_three_parts_and_sixteen_more(size, upper, whole):
    words = [576 + 16, upper + 5 * 32 + 24, whole + 4 * 64 + 8, whole + 4 * 64 + 56]
    body = note(size, *AVX512, *((at, POINTER + 16 * number) for number, at in enumerate(words)))
    names = ["zmm1", "zmm5", "xmm20", "zmm20"]
    found = list(vector_words(X86_64, XSTATE, body))
    assert found == [(name, POINTER + 16 * number) for number, name in enumerate(names)]
    assert list(vector_words(X86_64, XSTATE, note(size, (464, 0xE7), (512, 7), (upper, POINTER)))) == []


def test_i386_has_no_more_than_eight_zmm_registers():
    body = note(INTEL, *AVX512, (1152 + 7 * 32, 0xF7AB_CDE0), (1152 + 8 * 32, 0xF7AB_CDE0), (1664, 0xF7AB_CDE0))
    found = list(vector_words(I386, XSTATE, body))
    assert found == [("zmm7", 0xF7AB_CDE0)]


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
