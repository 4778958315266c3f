"""Call frame information and DWARF's expressions, assembled by hand from the standard, and broken ones."""

from __future__ import annotations

import random
import struct

import pytest
from elftools.common.exceptions import DWARFError

from gdbheap.elf.unwind.cfi import CfiSection, RuleKind, UnwindRule, rules_at
from gdbheap.elf.unwind.expression import InRegister, MemoryPlace, Surroundings, Worth, evaluate
from gdbheap.errors import MemoryFault

# x86-64: code factor 1, data factor -8, return address in 16; CFA = rsp+8, the return address at CFA-8.
COMMON = b"\x01zR\0\x01\x78\x10\x01\x1b" + b"\x0c\x07\x08\x90\x01" + b"\0\0"
# push %rbp; mov %rsp,%rbp; ...; pop %rbp; ret: as gas writes it for .cfi_* of that.
PROGRAM = b"\x41\x0e\x10\x86\x02\x43\x0d\x06\x0a\x50\x0c\x07\x08\xc6\x0b"
AT, START, SIZE = 0x1000, 0x5000, 0x60


def section(program: bytes = PROGRAM, common: bytes = COMMON) -> bytes:
    """Return an .eh_frame that lies at AT: one CIE, one FDE of [START, START + SIZE), the end."""
    first = struct.pack("<II", 4 + len(common), 0) + common
    place = AT + len(first)
    body = struct.pack("<I", len(first) + 4) + struct.pack("<iI", START - (place + 8), SIZE) + b"\0" + program
    return first + struct.pack("<I", len(body)) + body + bytes(4)


def reading(data: bytes) -> CfiSection:
    return CfiSection(lambda at, size: data[at - AT : at - AT + size] if at >= AT else b"", 8)


def description(data: bytes):
    first, behind = reading(data).entry(AT)
    assert first is None
    found, behind = reading(data).entry(behind)
    assert found is not None
    assert reading(data).entry(behind) == (None, 0)
    return found


def test_rules_follow_the_program():
    found = description(section())
    assert (found.start, found.end) == (START, START + SIZE)
    back = {16: UnwindRule(RuleKind.OFFSET, -8)}
    for address, register, offset, registers in (
        (START, 7, 8, back),
        (START + 1, 7, 16, {**back, 6: UnwindRule(RuleKind.OFFSET, -16)}),
        (START + 3, 7, 16, {**back, 6: UnwindRule(RuleKind.OFFSET, -16)}),
        (START + 4, 6, 16, {**back, 6: UnwindRule(RuleKind.OFFSET, -16)}),
        (START + 4 + 16, 6, 16, {**back, 6: UnwindRule(RuleKind.OFFSET, -16)}),
    ):
        rules = rules_at(found, address, 8)
        assert (rules.register, rules.offset, rules.registers) == (register, offset, registers), hex(address)


def test_what_is_kept_comes_back():
    # remember_state; def_cfa rsp+8; restore rbp; advance 1; restore_state.
    program = b"\x0e\x20\x86\x04\x0a\x0c\x07\x08\xc6\x41\x0b"
    found = description(section(program))
    inside, behind = rules_at(found, START, 8), rules_at(found, START + 1, 8)
    assert (inside.offset, 6 in inside.registers) == (8, False)
    assert (behind.offset, behind.registers[6]) == (32, UnwindRule(RuleKind.OFFSET, -32))


def test_broken_entries_are_errors_and_end():
    whole = section()
    rng = random.Random(7)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        place = AT
        for _ in range(50):
            try:
                found, behind = reading(bytes(data)).entry(place)
                if found is not None:
                    rules_at(found, START + 4, 8)
            except (DWARFError, IndexError, MemoryFault):
                break
            if behind <= place:
                break
            place = behind
        else:
            pytest.fail("no end")


AROUND = Surroundings(
    8,
    {6: 0x7000, 7: 0x6000}.get,
    lambda at, size: (at * 3).to_bytes(8, "little")[:size],
    bias=0x100,
    frame_base=lambda: 0x8000,
    frame_address=lambda: 0x9000,
    entry_value={5: 0x55}.get,
    number_type={0x20: (4, True), 0x21: (1, False), 0x22: (1, True)}.get,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("91 68", MemoryPlace(0x8000 - 24)),  # fbreg -24
        ("77 08", MemoryPlace(0x6008)),  # breg7 8
        ("50", InRegister(0)),
        ("76 00 9f", Worth(0x7000)),  # breg6 0, stack_value
        ("03 00 40 00 00 00 00 00 00", MemoryPlace(0x4100)),  # addr
        ("9c 11 70 22", MemoryPlace(0x9000 - 16)),  # call_frame_cfa, consts -16, plus
        ("a3 01 55 9f", Worth(0x55)),  # entry_value(reg5), stack_value
        ("a3 01 54 9f", None),
        ("a3 03 a5 05 20 a8 20 a8 00 9f", Worth(0x55)),  # entry_value(regval_type(reg5, int)), convert int, convert 0
        ("a5 06 20 9f", Worth(0x7000)),  # regval_type(reg6, int), stack_value
        ("08 ff a8 22 a8 20 a8 00 9f", Worth((1 << 64) - 1)),  # const1u 255, convert char, int, 0
        ("08 ff a8 21 a8 20 9f", Worth(0xFF)),  # convert unsigned char, int
        ("08 ff a8 22 31 22 9f", None),  # convert char, lit1, plus
        ("35 a8 23 9f", None),  # convert float
        ("77 00 06", MemoryPlace(0x6000 * 3)),  # deref
        ("35 33 1c 9f", Worth(2)),  # lit5, lit3, minus
        ("33 35 1c 9f", Worth((1 << 64) - 2)),
        ("38 32 24 9f", Worth(32)),  # shl
        ("31 28 01 00 35 34 9f", Worth(4)),  # bra over a lit
        ("50 93 08 51 93 08", None),  # in two registers
        ("2f fd ff", None),  # skip to itself
        ("22", None),
        ("", None),
        ("f2 01 02", None),
    ],
)
def test_expressions(code, expected):
    assert evaluate(bytes.fromhex(code), AROUND) == expected


def test_any_expression_ends():
    rng = random.Random(11)
    for _ in range(3000):
        evaluate(rng.randbytes(rng.randrange(1, 24)), AROUND)
