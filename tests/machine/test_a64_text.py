"""Instructions of A64 as binutils writes them (objdump's own lines), out of capstone's text for the same bytes."""

from __future__ import annotations

import pytest
from capstone import CS_ARCH_ARM64, CS_MODE_ARM, Cs

from gdbheap.machine.aarch64.code import CODE

# The word of an instruction at 0x1000, and what `aarch64-linux-gnu-objdump -d` has for it.
OBJDUMP = {
    0xD4207D00: "brk #0x3e8",
    0xD4200000: "brk #0x0",
    0xD4000001: "svc #0x0",
    0xD4000002: "hvc #0x0",
    0xD50342DF: "msr daifset, #0x2",
    0x00000007: "udf #7",
    0xF9400C01: "ldr x1, [x0, #24]",
    0xA9BF7BFD: "stp x29, x30, [sp, #-16]!",
    0xA8C27BFD: "ldp x29, x30, [sp], #32",
    0xF8607820: "ldr x0, [x1, x0, lsl #3]",
    0xB8626820: "ldr w0, [x1, x2]",
    0x91004000: "add x0, x0, #0x10",
    0xD10083FF: "sub sp, sp, #0x20",
    0x8B020C20: "add x0, x1, x2, lsl #3",
    0xD37DF000: "lsl x0, x0, #3",
    0xD63F0020: "blr x1",
    0xC85F7C08: "ldxr x8, [x0]",
    0x2518E3E0: "ptrue p0.b",
    0xD5380000: "mrs x0, midr_el1",
    0xD50B7420: "dc zva, x0",
}


@pytest.mark.parametrize("word", OBJDUMP, ids=OBJDUMP.get)
def test_as_objdump_writes_it(word: int) -> None:
    found = next(Cs(CS_ARCH_ARM64, CS_MODE_ARM).disasm(word.to_bytes(4, "little"), 0x1000))
    mnemonic, operands, _ = CODE.binutils_text(found.mnemonic, found.op_str)
    assert f"{mnemonic} {operands}".strip() == OBJDUMP[word]


def test_a_call_names_its_target_without_a_mark() -> None:
    found = next(Cs(CS_ARCH_ARM64, CS_MODE_ARM).disasm((0x94000004).to_bytes(4, "little"), 0x1000))
    assert CODE.binutils_text(found.mnemonic, found.op_str)[:2] == ("bl", "0x1010")


def test_what_is_no_instruction() -> None:
    assert CODE.no_instruction(b"\xff\xff\xff\xff\x00") == (".inst 0xffffffff ; undefined", 4)
