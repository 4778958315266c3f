"""What the instructions of arithmetic tell of the exceptions that they die of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gdbheap.lazy import regex
from gdbheap.machine.code import FloatingPoint
from gdbheap.machine.instruction import Instruction

_SUFFIXES = {"l": 4, "q": 8, "w": 2, "b": 1}
_NAMES = regex(
    r"(?P<wide>r(?:[a-d]x|[sd]i|[sb]p|\d+))|(?P<long>e(?:[a-d]x|[sd]i|[sb]p)|r\d+d)|"
    r"(?P<short>[a-d]x|[sd]i|[sb]p|r\d+w)|(?P<byte>[a-d]l|[sd]il|r\d+b)"
)


def divisor(
    instruction: Instruction,
    registers: Mapping[str, int],
    word_at: Callable[[int], int | None],
    pointer_size: int,
) -> int | None:
    """Return the value of a div's operand, signed for an idiv, or None where it cannot be had."""
    if not instruction.operands:
        return None
    if instruction.memory:
        size = instruction.memory[0].size or _SUFFIXES.get(instruction.mnemonic[-1:], pointer_size)
        word = word_at(instruction.memory[0].address)
        value = None if word is None else word & ((1 << 8 * size) - 1)
    else:
        size, value = _register_value(registers, instruction.operands[0].lstrip("%"), pointer_size)
    if value is None:
        return None
    return value - (1 << 8 * size) if value >> (8 * size - 1) and instruction.mnemonic.startswith("i") else value


def _register_value(registers: Mapping[str, int], name: str, pointer_size: int) -> tuple[int, int | None]:
    """Return a register's size in bytes and its value; (word, None) for one that is not known."""
    match = _NAMES.fullmatch(name)
    if match is None:
        return pointer_size, None
    kind = match.lastgroup
    size = {"wide": 8, "long": 4, "short": 2, "byte": 1}[kind or "wide"]
    letters = re.sub(r"^r(\d+)[dwb]?$", r"r\1", name) if name.startswith("r") and name[1:2].isdigit() else ""
    core = letters or {"byte": name.rstrip("l") + ("x" if len(name) == 2 else "")}.get(kind or "", name.lstrip("re"))
    full = letters or ("r" if pointer_size == 8 else "e") + core
    value = registers.get(full)
    return size, None if value is None else value & ((1 << 8 * size) - 1)


def floating_point(instruction: Instruction, pointer_size: int) -> FloatingPoint:
    """Return where the exception comes from: SSE reports at once, the x87 unit later."""
    if not instruction.mnemonic.startswith("f"):
        return FloatingPoint(False, ("p $mxcsr", "info float"))
    # The 64-bit formats of fxsave and xsave hold the address in two halves, which gdb names as the old formats'
    # selector and offset.
    failed = "((unsigned long)$fiseg << 32 | (unsigned)$fioff)" if pointer_size == 8 else "(unsigned)$fioff"
    return FloatingPoint(True, ("info float", f"x/i {failed}"))
