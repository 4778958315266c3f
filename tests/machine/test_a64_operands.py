"""What A64 instructions access, against what they did when they were executed (a64_accesses.txt)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdbheap.machine.aarch64.operand import decode

BASE, VECTOR_WORDS = 0x10_0000_0000, 8
MASK = (1 << 64) - 1
TABLE = Path(__file__).with_name("a64_accesses.txt")


def executed():
    """Return (text, what it did) of each line: () for what never faults."""
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return [
        (text, () if rest == "-" else tuple(rest.split("|"))) for text, _, rest in (x.partition("|") for x in lines)
    ]


def registers(index):
    return {**{f"x{number}": 0 for number in range(31)}, "sp": 0, "x1": BASE, "x2": index, "vg": VECTOR_WORDS}


def test_instructions_access_what_they_did_when_they_were_executed():
    wrong, looked = [], 0
    for text, did in executed():
        small, large = (decode(text, registers(index)) for index in (0x40, 0xFFFF_FFF0))
        if not did:
            got = small.memory == ()
        else:
            near, far, access, size, alignment = did
            (one,), (other,) = small.memory, large.memory
            # Of a gather or scatter the vector of indices is not known.
            places = [(one.address - BASE & MASK, near), (other.address - BASE & MASK, far)]
            known = all(ours == int(theirs) & MASK for ours, theirs in places)
            is_gather = "z" in one.base + one.index + text.rpartition("[")[2]
            got = (known or is_gather) and one.access == access
            got = got and (one.is_vector or (one.size, small.alignment or 1) == (int(size), int(alignment) or 1))
        looked += 1
        wrong += [] if got else [(text, did, small.memory, small.alignment)]
    assert wrong == []
    assert looked > 800


OPERANDS = {
    "ldr\tx0, [x1, w2, sxtw #3]": ("[x1, w2, sxtw #3]", "x1", 0x7000, "w2", MASK - 1, 8, 0),
    "stp\tx29, x30, [sp, #-32]!": ("[sp, #-32]!", "sp", 0x8000, "", 0, 1, -32),
    "ldr\tx3, [x0], #8": ("[x0]", "x0", 0x6000, "", 0, 1, 0),
    "ldaddal\tx0, x1, [x2]": ("[x2]", "x2", 0xFFFF_FFFE, "", 0, 1, 0),
    "ldr\tx0, 0x40058c <main+12>": ("0x40058c", "", 0, "", 0, 1, 0x40058C),
}


@pytest.mark.parametrize("text", OPERANDS)
def test_an_operand_tells_what_its_address_is_made_of(text):
    values = {"x0": 0x6000, "x1": 0x7000, "x2": 0xFFFF_FFFE, "sp": 0x8000}
    (found,) = decode(text, values).memory
    told = (found.text, found.base, found.base_value, found.index, found.index_value, found.scale, found.displacement)
    assert told == OPERANDS[text]


# By Arm's manual: what the emulator does not tell, since an exclusive store without its load accesses nothing, dc zva
# counts from its block's start, and cache maintenance does nothing there.
BY_THE_MANUAL = {
    "stxr\tw5, x3, [x1]": ("write", 0x1038, 8, 8),
    "stlxrb\tw5, w3, [x1]": ("write", 0x1038, 1, 1),
    "stxp\tw5, x3, x4, [x1]": ("write", 0x1038, 16, 16),
    "stlxp\tw5, w3, w4, [x1]": ("write", 0x1038, 8, 8),
    "dc\tzva, x1": ("write", 0x1000, 64, 0),
    "dc\tcivac, x1": ("read", 0x1038, 1, 0),
    "ic\tivau, x1": ("read", 0x1038, 1, 0),
    "ldraa\tx3, [x1, #8]!": ("read", 0x1040, 8, 0),
    "ld64b\tx8, [x1]": ("read", 0x1038, 64, 64),
    "ldclrp\tx3, x4, [x1]": ("write", 0x1038, 16, 16),
    "swppal\tx3, x4, [x1]": ("write", 0x1038, 16, 16),
    "setp\t[x1]!, x2!, x3": ("write", 0x1038, 0x100, 0),
}


@pytest.mark.parametrize("text", BY_THE_MANUAL)
def test_what_is_not_seen_when_it_is_executed_is_as_the_manual_has_it(text):
    found = decode(text, {"x1": 0x1038, "x2": 0x100})
    assert [(each.access, each.address, each.size, found.alignment) for each in found.memory] == [BY_THE_MANUAL[text]]


def test_memcpys_instructions_read_and_write_and_may_count_from_the_end():
    start = decode("cpyfp\t[x0]!, [x1]!, x2!", {"x0": 0x1000, "x1": 0x2000, "x2": 0x30}).memory
    assert [(each.access, each.address, each.size) for each in start] == [("write", 0x1000, 48), ("read", 0x2000, 48)]
    left = decode("cpyfm\t[x0]!, [x1]!, x2!", {"x0": 0x1030, "x1": 0x2030, "x2": MASK - 0x1F}).memory
    assert [(each.access, each.address, each.size) for each in left] == [("write", 0x1010, 32), ("read", 0x2010, 32)]


def test_a_vectors_length_that_is_not_known_makes_no_address():
    (found,) = decode("ldr\tz3, [x1, #5, mul vl]", {"x1": 0x1000}).memory
    assert found.is_vector
    assert found.address == 0x1000


FLOWS = {
    "bl\t0x4004a0 <free@plt>": ("call", "", 0x4004A0),
    "blr\tx8": ("call", "x8", None),
    "blraaz\tx9": ("call", "x9", None),
    "b\t0x4004a0": ("jump", "", 0x4004A0),
    "br\tx17": ("jump", "x17", None),
    "braa\tx16, x17": ("jump", "x16", None),
    "ret": ("return", "x30", None),
    "retab": ("return", "x30", None),
    "ret\tx5": ("return", "x5", None),
    "b.ne\t0x4004a0  // b.any": ("", "", None),
    "cbz\tx0, 0x4004a0": ("", "", None),
    "bic\tx0, x1, x2": ("", "", None),
}


@pytest.mark.parametrize("text", FLOWS)
def test_where_an_instruction_goes(text):
    found = decode(text, {})
    assert (found.flow, found.target_register, found.destination) == FLOWS[text]
