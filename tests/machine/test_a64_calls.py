"""What a call was given on aarch64, by the code before it: code as gcc writes it, as gdb disassembles it, against what
the instructions do."""

from __future__ import annotations

import re

import pytest

from gdbheap.machine.aarch64.code import CODE
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.frame import Frame
from gdbheap.process.memory import ImageMemory
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process

START, STACK, DATA, FREE, STUB, OTHER = 0x401000, 0xFFFF_E000_1000, 0x411000, 0xFFFF_8000_1000, 0x400800, 0x402000
TAKES = re.compile("__libc_free")
# What memory holds: a struct whose second member is the pointer, a table of pointers, the stack's locals.
POINTER, STRUCT, TABLE, SLOT = 0x4052A0, DATA + 0x10, DATA + 0x40, DATA + 0xF0
WORDS = {
    STRUCT + 8: POINTER,
    TABLE + 3 * 8: POINTER,
    STACK + 8: STRUCT,
    STACK + 0x10: 3,
    STACK + 0x18: TABLE,
    DATA: POINTER,
    SLOT: FREE,
}
# adrp x16, 0x411000; ldr x17, [x16, #240]; add x16, x16, #240; br x17
PLT = b"".join(word.to_bytes(4, "little") for word in (0xB0000090, 0xF9407A11, 0x9103C210, 0xD61F0220))


def process():
    pieces = {DATA: bytearray(0x100), STACK: bytearray(0x100)}
    for address, word in WORDS.items():
        base = DATA if address < STACK else STACK
        pieces[base][address - base : address - base + 8] = word.to_bytes(8, "little")
    memory = ImageMemory([(base, bytes(data)) for base, data in (*pieces.items(), (STUB, PLT))])
    return Process("core", AARCH64, memory, AddressSpace(()), ())


def listed(start, lines):
    return [(start + 4 * index, line) for index, line in enumerate(lines)]


def first_argument(lines, registers=None, functions=None, callers=(), inner=()):
    """Return what the last of these lines, a call of free, passes; `callers` are (lines, registers) of the frames
    outside it, `inner` those of free itself."""
    codes = {START: listed(START, lines), **{start: listed(start, code) for start, code in (functions or {}).items()}}
    frames = []
    for level, (code, held) in enumerate(inner):
        codes[FREE + 0x1000 * level] = listed(FREE + 0x1000 * level, code)
        at = FREE + 0x1000 * level + 4 * len(code)
        frames.append(Frame(level, at, STACK, function="__libc_free", registers=held))
    frames.append(Frame(len(inner), START + 4 * len(lines), STACK, registers=registers or {}))
    for level, (code, held) in enumerate(callers, 1):
        at = START + 0x10000 * level
        codes[at] = listed(at, code)
        frames.append(Frame(level, at + 4 * len(code) if code else 0, STACK, registers=held))

    def code_at(address):
        assert address >= 0
        return next((code for code in codes.values() if code and code[0][0] <= address < code[-1][0] + 4), ())

    symbols = {FREE: NamedAddress("__libc_free", 0, "libc.so.6")}
    reader = CODE.call_reader(process(), code_at, symbols.get, TAKES)
    return reader.first_argument(frames, len(inner))


CALL = f"bl\t{STUB:#x} <free@plt>"
KNOWN = {
    "a register": (["mov\tx0, x19", CALL], {"x19": POINTER}),
    "two loads, as -O0 has them": (
        ["stp\tx29, x30, [sp, #-48]!", "mov\tx29, sp", "ldr\tx0, [sp, #8]", "ldr\tx0, [x0, #8]", CALL],
        {},
    ),
    "a member of what is kept elsewhere": (
        ["str\tx19, [sp, #-16]!", "mov\tx19, x0", "ldr\tx0, [x0, #8]", CALL],
        {"x19": STRUCT},
    ),
    "an element of a table, as -O0 has it": (
        ["ldrsw\tx0, [sp, #16]", "lsl\tx0, x0, #3", "ldr\tx1, [sp, #24]", "add\tx0, x1, x0", "ldr\tx0, [x0]", CALL],
        {},
    ),
    "a scaled index": (["ldr\tx0, [x19, x20, lsl #3]", CALL], {"x19": TABLE, "x20": 3}),
    "an index of 32 bits": (["ldr\tx0, [x19, w20, sxtw #3]", CALL], {"x19": TABLE, "x20": 0xFFFF_FFFF_0000_0003}),
    "a sum": (["add\tx0, x19, x20, lsl #3", "ldr\tx0, [x0]", CALL], {"x19": TABLE, "x20": 3}),
    "a global": (["adrp\tx0, 0x411000 <kept>", "ldr\tx0, [x0]", CALL], {}),
    "an address in the code": (["adrp\tx0, 0x411000", "add\tx0, x0, #0x10", CALL], {}),
    "a number in three parts": (
        ["mov\tx0, #0x52a0                \t// #21152", "movk\tx0, #0x40, lsl #16", "movk\tx0, #0x0, lsl #32", CALL],
        {},
    ),
    "what a call returned, kept": (
        ["bl\t0x401800 <make>", "mov\tx19, x0", "add\tx0, x19, #0x8", CALL],
        {"x19": STRUCT},
    ),
    "a pair of registers": (["ldp\tx1, x0, [x19]", CALL], {"x19": STRUCT}),
    "a register spilled to the stack": (["str\tx0, [sp, #8]", "ldr\tx0, [x0, #8]", CALL], {}),
    "a list that is gone along": (["mov\tx19, x0", "ldr\tx0, [x19], #8", CALL], {"x19": DATA + 8}),
}
RESULTS = {"an address in the code": STRUCT, "what a call returned, kept": STRUCT + 8}


@pytest.mark.parametrize("name", KNOWN)
def test_the_argument_is_what_the_code_makes(name):
    lines, registers = KNOWN[name]
    assert first_argument(lines, registers) == RESULTS.get(name, POINTER)


UNKNOWN = {
    "a register that calls do not keep": (["mov\tx0, x8", CALL], {}),
    "memory that was overwritten since": (["ldr\tx0, [x19, #8]", "str\txzr, [x19, #8]", CALL], {"x19": STRUCT}),
    "memory that a pair overwrote": (["ldr\tx0, [x19, #8]", "stp\txzr, xzr, [x19]", CALL], {"x19": STRUCT}),
    "memory that a vector overwrote": (["ldr\tx0, [x19, #8]", "str\tq0, [x19]", CALL], {"x19": STRUCT}),
    "memory that an atomic overwrote": (["ldr\tx0, [x19, #8]", "ldadd\tx1, x2, [x19]", CALL], {"x19": DATA + 0x18}),
    "two ways to the call": (
        ["ldr\tx0, [x19, #8]", f"b\t{START + 12:#x} <f+12>", "ldr\tx0, [x19, #16]", CALL],
        {"x19": STRUCT},
    ),
    "a way around": (["ldr\tx0, [x19, #8]", f"cbz\tw1, {START + 12:#x} <f+12>", "mov\tx0, x20", CALL], {"x19": STRUCT}),
    "a switch": (["ldr\tx0, [x19, #8]", "br\tx1", CALL], {"x19": STRUCT}),
    "a condition": (["ldr\tx0, [x19, #8]", "csel\tx0, x0, x1, eq", CALL], {"x19": STRUCT}),
    "a field of bits": (["ldr\tx0, [x19, #8]", "bfi\tx0, x1, #0, #8", CALL], {"x19": STRUCT}),
    "bits taken away": (["ldr\tx0, [x19, #8]", "bic\tx0, x0, x1", CALL], {"x19": STRUCT}),
    "another function": (["mov\tx0, x19", f"bl\t{OTHER:#x} <clear>"], {"x19": POINTER}),
    "no call": (["mov\tx0, x19", "nop"], {"x19": POINTER}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_the_code_does_not_tell_is_not_guessed(name):
    lines, registers = UNKNOWN[name]
    assert first_argument(lines, registers) is None


def test_a_function_that_left_by_a_jump_is_followed():
    leaves = {OTHER: ["ldr\tx0, [x0, #8]", f"b\t{STUB:#x} <free@plt>"]}
    assert first_argument(["mov\tx0, x19", f"bl\t{OTHER:#x} <clear>"], {"x19": STRUCT}, leaves) == POINTER


def test_an_argument_that_was_handed_on_is_found_in_the_caller():
    lines = ["stp\tx29, x30, [sp, #-16]!", "ldr\tx0, [x0, #8]", CALL]
    caller = (["mov\tx0, x21", f"bl\t{START:#x} <clear>"], {"x21": STRUCT})
    assert first_argument(lines, {}, callers=[caller]) == POINTER


def test_a_frame_that_was_unwound_wrongly_has_no_code():
    lines = ["stp\tx29, x30, [sp, #-16]!", "ldr\tx0, [x0, #8]", CALL]
    assert first_argument(lines, {}, callers=[([], {})]) is None


def test_what_free_itself_has_kept_tells():
    inside = (["stp\tx29, x30, [sp, #-32]!", "mov\tx19, x0", "bl\t0xffff80009000 <abort>"], {"x19": POINTER})
    assert first_argument(["ldr\tx0, [x8]", CALL], {}, inner=[inside]) == POINTER
