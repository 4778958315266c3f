"""Operands of x86's instructions, as values of what registers hold where the code is followed."""

from __future__ import annotations

import re

from gdbheap.lazy import regex
from gdbheap.machine.register_values import Registers, Value, plus

NAMES = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{number}" for number in range(8, 16)))
_LEGACY = {f"%e{name[1:]}": name for name in NAMES[:8]}
# The names of whole words, by their size.
WHOLE = {8: {f"%{name}": name for name in NAMES}, 4: _LEGACY}
HALF: dict[int, dict[str, str]] = {8: {**_LEGACY, **{f"%{name}d": name for name in NAMES[8:]}}, 4: {}}
SMALL = {
    **{f"%{name[1:]}": name for name in NAMES[:8]},
    **{f"%{name[1:]}l": name for name in NAMES[4:8]},
    **{f"%{name[1]}{part}": name for name in NAMES[:4] for part in "lh"},
    **{f"%{name}{part}": name for name in NAMES[8:] for part in "wbl"},
}
_MEMORY = regex(
    r"(?P<displacement>-?0x[0-9a-f]+|-?\d+)?\((?P<base>%[re]\w+)?(?:,(?P<index>%[re]\w+)(?:,(?P<scale>[1248]))?)?\)"
)
SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}
_VECTOR = {"%x": 16, "%y": 32, "%z": 64}


def split_operands(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for char in text.strip():
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def stored_size(registers: Registers, mnemonic: str, operands: list[str]) -> int:
    """Return how many bytes an instruction writes to its memory operand."""
    source = operands[0]
    if source in WHOLE[registers.word]:
        return registers.word
    if source in HALF[registers.word]:
        return 4
    return _VECTOR.get(source[:2], 8) if source[2:].startswith("mm") else SIZES.get(mnemonic[-1], 8)


def read_operand(registers: Registers, operand: str, size: int, relative: int | None) -> Value | None:
    """Return an operand's value, None where it is none that can be followed."""
    if operand in WHOLE[registers.word]:
        return registers[WHOLE[registers.word][operand]]
    if operand in HALF[registers.word]:
        return "low", registers[HALF[registers.word][operand]]
    number = number_of(operand)
    if number is not None:
        return "number", number & ((1 << 8 * size) - 1)
    address = address_of(registers, operand, relative)
    return None if address is None else registers.load(address, size)


def number_of(operand: str) -> int | None:
    return int(operand[1:], 0) if re.fullmatch(r"\$-?(0x[0-9a-f]+|\d+)", operand) else None


def address_of(registers: Registers, operand: str, relative: int | None) -> Value | None:
    """Return the address of a memory operand, None for one of another kind (a segment's, a vector's)."""
    match = _MEMORY.fullmatch(operand)
    if match is None:
        return ("number", int(operand, 16)) if re.fullmatch(r"0x[0-9a-f]+", operand) else None
    if match["base"] == "%rip":
        return None if relative is None else ("number", relative)
    whole = WHOLE[registers.word]
    if any(each and each not in whole for each in (match["base"], match["index"])):
        return None
    value: Value = registers[whole[match["base"]]] if match["base"] else ("number", 0)
    if match["index"]:
        index: Value = registers[whole[match["index"]]]
        scaled: Value = index if match["scale"] in (None, "1") else ("times", index, int(match["scale"]))
        value = ("add", value, scaled) if match["base"] else scaled
    return plus(value, int(match["displacement"] or "0", 16))


def written_size(registers: Registers, operands: list[str]) -> int:
    return registers.word if operands[-1] in WHOLE[registers.word] else 4
