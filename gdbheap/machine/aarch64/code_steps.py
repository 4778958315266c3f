"""A64 code, followed from a function's start to a call: which values the registers hold there.

The instructions are gdb's. What is not understood makes a register unknown, never wrong.
"""

from __future__ import annotations

import re

from gdbheap.lazy import regex
from gdbheap.machine.aarch64.access import access_of, is_silent
from gdbheap.machine.aarch64.operand import decode, split_operands
from gdbheap.machine.aarch64.operand_size import operand_size
from gdbheap.machine.instruction import CALL, JUMP, WRITE
from gdbheap.machine.register_values import Registers, Value, plus
from gdbheap.machine.stopped import CodeLines

_WORD = 8
# What a call leaves as it was, of the registers that are followed.
_KEPT = frozenset((*(f"x{number}" for number in range(19, 30)), "sp"))
_NAMES = (*(f"x{number}" for number in range(31)), "sp")
_COMMENT = regex(r"\s*(//|; undefined).*")
_CONDITIONAL = regex(r"(?:b\.\w+|bc\.\w+|cbn?z|tbn?z)\s.*?(?P<target>0x[0-9a-f]+)(?:\s+<.*)?$")
_BRACKETS = regex(r"\[(?P<inside>[^\]]*)\](?P<writes_back>!?)")
_EXTENSION = regex(r"(?P<kind>lsl|[us]xt[wx])(?: #(?P<shift>\w+))?")
_NUMBER = regex(r"#(?P<value>-?(?:0x[0-9a-f]+|\d+))")
_ADDRESS = regex(r"(?P<value>0x[0-9a-f]+)\b")
# They write no general register.
_READS = regex(r"cmp|cmn|tst|ccm[pn]|nop|hint|bti|fc?cmpe?|prf\w+|d[ms]b|isb|brk|yield|b|br|b\.\w+|[ct]bn?z|ret\w*")
# They have two destinations, or a source before the destination.
_SECOND = regex(r"ld(n|a?x)?p(sw)?|(ld(add|clr|eor|set|[us](max|min))|swp|cas)\w*")
_PLAIN_LOAD = regex(r"ldu?r(?P<part>s?[bhw])?|ld(a|x|ax|apr)r?")
_PLAIN_STORE = regex(r"stu?r|stlr")


def follow(code: CodeLines, at: int) -> Registers:
    """Return the registers as they are before instruction `at` of a function's code, which comes whole."""
    registers = Registers(_WORD)
    lines = [(place, _COMMENT.sub("", text).strip()) for place, text in code]
    decoded = [decode(text, {}) for _, text in lines]
    targets = {int(match["target"], 16) for _, text in lines if (match := _CONDITIONAL.match(text)) is not None}
    targets |= {each.destination for each in decoded if each.flow == JUMP and each.destination is not None}
    # A jump to what a register holds leads to one of many places in the function, or leaves it.
    registers.is_sure = not any(
        each.flow == JUMP and each.destination is None for index, each in enumerate(decoded) if index != at
    )
    behind_end = False
    for index, (place, text) in enumerate(lines[: at + 1]):
        if place in targets or behind_end:
            registers.forget(place)
        if index < at:
            _step(registers, place, text)
        behind_end = bool(decoded[index].flow) and decoded[index].flow != CALL
    return registers


def register_named(registers: Registers, name: str) -> Value | None:
    """Return what a register holds, None for what is no general register."""
    if re.fullmatch(r"x\d+|sp", name):
        return registers[name]
    if name in ("xzr", "wzr"):
        return "number", 0
    if re.fullmatch(r"w\d+|wsp", name):
        return "low", registers[_whole(name)]
    return None


def _whole(name: str) -> str:
    return "sp" if name == "wsp" else "x" + name[1:]


def _step(registers: Registers, place: int, text: str) -> None:
    mnemonic, *rest = text.split(None, 1)
    operands = split_operands(rest[0]) if rest else []
    if mnemonic.startswith(("bl", "svc")):
        registers.fresh.clear()
    if mnemonic.startswith("bl"):
        for name in _NAMES:
            if name not in _KEPT:
                registers[name] = ("returned" if name == "x0" else "unknown", place, name)
        return
    if mnemonic == "svc":
        registers["x0"] = ("unknown", place, "x0")
        return
    bracket = next(filter(None, map(_BRACKETS.fullmatch, operands)), None)
    value = _result(registers, mnemonic, operands) if bracket is None else None
    if bracket is not None and access_of(mnemonic) and not is_silent(mnemonic):
        _accesses(registers, place, (mnemonic, operands), bracket)
    elif value is not None:
        is_half = operands[0].startswith("w") and value[0] not in ("load", "number")
        registers[_whole(operands[0]) if operands[0] != "sp" else "sp"] = ("low", value) if is_half else value
    elif not operands:
        registers["x30"] = ("unknown", place, "x30")  # paciasp, autiasp
    elif not _READS.fullmatch(mnemonic):
        _forget(registers, place, operands[:1])


def _forget(registers: Registers, place: int, operands: list[str]) -> None:
    for name in operands:
        if re.fullmatch(r"[xw]\d+|w?sp", name):
            registers[_whole(name) if name != "sp" else "sp"] = ("unknown", place, _whole(name))


def _accesses(registers: Registers, place: int, code: tuple[str, list[str]], bracket: re.Match[str]) -> None:
    """Follow a load or a store, and what it adds to its base."""
    mnemonic, operands = code
    at = next(index for index, each in enumerate(operands) if each == bracket[0])
    data, behind = operands[:at], operands[at + 1 :]
    address, base = _address(registers, bracket["inside"])
    after = _after(registers, bracket, behind, address, base)
    size = operand_size(mnemonic, tuple(operands), {})
    if access_of(mnemonic) == WRITE:
        kept = [register_named(registers, each) for each in data]
        if not _PLAIN_STORE.fullmatch(mnemonic) and mnemonic not in ("stp", "stnp"):
            _forget(registers, place, data)
        if address is None:
            registers.forget_memory()
        elif mnemonic in ("stp", "stnp") and size == 2 * _WORD and all(each.startswith("x") for each in data):
            for index, value in enumerate(kept):
                registers.store(plus(address, index * _WORD), _WORD, value)
        else:
            is_word = _PLAIN_STORE.fullmatch(mnemonic) is not None and size == _WORD
            registers.store(address, size or 64, kept[0] if is_word and kept else None)
    else:
        _loads(registers, place, (mnemonic, data, size), address)
    if base and (bracket["writes_back"] or behind):
        registers[base] = after if after is not None else ("unknown", place, base)


def _loads(registers: Registers, place: int, code: tuple[str, list[str], int], address: Value | None) -> None:
    mnemonic, data, size = code
    names = data[:2] if _SECOND.fullmatch(mnemonic) else data[:1]
    _forget(registers, place, names)
    match = _PLAIN_LOAD.fullmatch(mnemonic)
    if address is None:
        return
    if match is not None and re.fullmatch(r"[xw]\d+", names[0]):
        value = registers.load(address, size)
        part = match["part"] or ""
        if part == "sw":
            registers[_whole(names[0])] = ("signed", value)
        elif not part.startswith("s"):
            registers[_whole(names[0])] = value
    elif mnemonic in ("ldp", "ldnp") and all(re.fullmatch(r"x\d+", each) for each in names):
        values = [registers.load(plus(address, index * _WORD), _WORD) for index in range(2)]
        for name, value in zip(names, values):
            registers[name] = value


def _address(registers: Registers, inside: str) -> tuple[Value | None, str]:
    """Return the address that is in brackets (None: it cannot be followed), and the register it is based on."""
    parts = [part.strip() for part in inside.split(",")]
    base = parts[0]
    if not re.fullmatch(r"x\d+|sp", base):
        return None, ""
    if len(parts) == 1:
        return registers[base], base
    number = _NUMBER.fullmatch(parts[1])
    if number is not None:
        return (plus(registers[base], int(number["value"], 0)) if len(parts) == 2 else None), base
    index = _extended(registers, parts[1:])
    return (None if index is None else ("add", registers[base], index)), base


def _extended(registers: Registers, parts: list[str]) -> Value | None:
    """Return a register that may be extended and shifted ("x1", "x1, lsl #3", "w1, sxtw #2"), None for another."""
    value = register_named(registers, parts[0])
    extension = _EXTENSION.fullmatch(parts[1]) if len(parts) > 1 else None
    if value is None or (len(parts) > 1 and extension is None):
        return None
    if extension is None:
        return value
    if extension["kind"] == "sxtw":
        value = ("signed", registers[_whole(parts[0])])
    shift = int(extension["shift"] or "0", 0)
    return ("times", value, 1 << shift) if shift else value


def _after(
    registers: Registers, bracket: re.Match[str], behind: list[str], address: Value | None, base: str
) -> Value | None:
    """Return what the base holds afterwards, where it is written; None where that is not known."""
    if bracket["writes_back"]:
        return address
    number = _NUMBER.fullmatch(behind[0]) if behind else None
    return plus(registers[base], int(number["value"], 0)) if number is not None and base else None


def _result(registers: Registers, mnemonic: str, operands: list[str]) -> Value | None:
    """Return what the first operand is afterwards; None where that cannot be told."""
    if not operands or not re.fullmatch(r"[xw]\d+|w?sp", operands[0]):
        return None
    sources = operands[1:]
    if mnemonic in ("adrp", "adr", "ldr", "ldrsw") and sources and (direct := _ADDRESS.match(sources[0])):
        return _direct(registers, mnemonic, operands[0], int(direct["value"], 16))
    number = _NUMBER.fullmatch(sources[-1]) if sources else None
    if mnemonic in ("mov", "movz") and len(sources) == 1:
        if number is not None:
            bits = 64 if operands[0][0] == "x" else 32
            return "number", int(number["value"], 0) & ((1 << bits) - 1)
        return register_named(registers, sources[0])
    if mnemonic == "movk":
        return _part_moved(registers, operands)
    if mnemonic in ("add", "sub") and len(sources) >= 2:
        return _sum(registers, mnemonic, operands[0], sources)
    if mnemonic == "lsl" and number is not None and operands[0][0] == "x":
        value = register_named(registers, sources[0])
        return None if value is None else ("times", value, 1 << int(number["value"], 0))
    if mnemonic == "sxtw" and operands[0][0] == "x":
        return "signed", registers[_whole(sources[0])]
    return None


def _direct(registers: Registers, mnemonic: str, name: str, address: int) -> Value:
    if mnemonic.startswith("adr"):
        return "number", address
    value = registers.load(("number", address), _WORD if name[0] == "x" and mnemonic == "ldr" else 4)
    return ("signed", value) if mnemonic == "ldrsw" else value


def _part_moved(registers: Registers, operands: list[str]) -> Value | None:
    """Return a number of which sixteen bits were replaced."""
    held, number = registers[_whole(operands[0])], _NUMBER.fullmatch(operands[1])
    shift = _EXTENSION.fullmatch(operands[2]) if len(operands) > 2 else None
    if held[0] != "number" or number is None or (len(operands) > 2 and shift is None):
        return None
    by = int(shift["shift"] or "0", 0) if shift is not None else 0
    return "number", int(held[1]) & ~(0xFFFF << by) | int(number["value"], 0) << by  # type: ignore[arg-type]


def _sum(registers: Registers, mnemonic: str, target: str, sources: list[str]) -> Value | None:
    first, number = register_named(registers, sources[0]), _NUMBER.fullmatch(sources[1])
    if first is None:
        return None
    if number is not None:
        shift = _EXTENSION.fullmatch(sources[2]) if len(sources) > 2 else None
        added = int(number["value"], 0) << (int(shift["shift"] or "0", 0) if shift is not None else 0)
        return plus(first, added if mnemonic == "add" else -added)
    second = _extended(registers, sources[1:])
    return ("add", first, second) if second is not None and mnemonic == "add" and target[0] != "w" else None
