"""Code, followed from a function's start to a call: which values the registers hold there.

The instructions are gdb's, in AT&T's syntax. What is not understood makes a register unknown, never wrong.
"""

from __future__ import annotations

import re

from gdbheap.lazy import regex
from gdbheap.machine.register_values import CONDITIONS, Registers, Value, plus
from gdbheap.machine.stopped import CodeLines

_NAMES = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{number}" for number in range(8, 16)))
_KEPT = frozenset(("rbx", "rbp", "rsp", "r12", "r13", "r14", "r15"))
_LEGACY = {f"%e{name[1:]}": name for name in _NAMES[:8]}
# The names of whole words, by their size.
_WHOLE = {8: {f"%{name}": name for name in _NAMES}, 4: _LEGACY}
_HALF: dict[int, dict[str, str]] = {8: {**_LEGACY, **{f"%{name}d": name for name in _NAMES[8:]}}, 4: {}}
_SMALL = {
    **{f"%{name[1:]}": name for name in _NAMES[:8]},
    **{f"%{name[1:]}l": name for name in _NAMES[4:8]},
    **{f"%{name[1]}{part}": name for name in _NAMES[:4] for part in "lh"},
    **{f"%{name}{part}": name for name in _NAMES[8:] for part in "wbl"},
}
_MEMORY = regex(
    r"(?P<displacement>-?0x[0-9a-f]+|-?\d+)?\((?P<base>%[re]\w+)?(?:,(?P<index>%[re]\w+)(?:,(?P<scale>[1248]))?)?\)"
)
_COMMENT = regex(r"\s*(0x[0-9a-f]+)")
_JUMP = regex(r"(?:j[a-z]+|loop\w*)\s+(?P<target>(?:0x)?[0-9a-f]+)\b")
# A jump to one of many places in the function; one through a slot of its own leaves it.
_SWITCH = regex(r"jmp\w*\s+\*(?!.*\(%rip\))")
_PREFIX = regex(r"(?:(?:bnd|notrack|data16|cs|rep\w*|lock|addr32|rex\.\w+)\s+)+")
_ENDS = regex(r"(jmp|ret|ud2|hlt)")
_READS = regex(r"(cmp(?!xchg)|test|nop|endbr|j|bt[wlq]?$|u?comis|v?u?comis|prefetch|ret|push)")
# These write registers that they do not name.
_HIDDEN = regex(r"(i?mul|i?div|cq?to|cltd|cw|cpuid|rdtsc|xchg|cmpxchg|xadd|syscall|(movs|stos|scas|lods|cmps)[bwlq]?$)")
_COUNTER_THUNK = regex(r"<__x86\.get_pc_thunk\.(?P<register>\w\w)>")
_ADDED = regex(r"addl?\s+\$0x[0-9a-f]+,%e(?P<register>\w\w)$")
# The second lowest bytes of registers.
_HIGH = ("%ah", "%bh", "%ch", "%dh")
# These leave the flags as they were.
_KEEPS_FLAGS = regex(r"(mov|lea|push|pop|set|nop|j|cmov|endbr|cltq|cdqe|not)")
_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}
_VECTOR = {"%x": 16, "%y": 32, "%z": 64}


def follow(code: CodeLines, at: int, word: int = 8) -> Registers:
    """Return the registers as they are before instruction `at` of a function's code, which comes whole."""
    registers = Registers(word)
    texts = [(place, _PREFIX.sub("", text.strip())) for place, text in code]
    targets = {int(match["target"], 16) for _, text in texts if (match := _JUMP.match(text)) is not None}
    registers.is_sure = not any(_SWITCH.match(text) for index, (_, text) in enumerate(texts) if index != at)
    behind_end = False
    for index, (place, text) in enumerate(texts[: at + 1]):
        if place in targets or behind_end:
            registers.forget(place)
        if index < at:
            _step(registers, place, text)
            _ask_for_counter(registers, text, texts[index + 1])
        behind_end = _ENDS.match(text) is not None
    return registers


def operand_value(registers: Registers, operand: str) -> Value | None:
    """Return the value of the operand of an indirect call or jump ("*%rax", "*0x8(%rbx)"), None where it cannot be
    followed."""
    text, _, comment = operand.partition("#")
    named = _COMMENT.match(comment)
    return _read(registers, text.strip().lstrip("*"), registers.word, int(named[1], 16) if named is not None else None)


def _step(registers: Registers, place: int, text: str) -> None:
    code, _, comment = text.partition("#")
    mnemonic, _, rest = code.strip().partition(" ")
    operands = _operands(rest)
    named = _COMMENT.match(comment)
    relative = int(named[1], 16) if named is not None else None
    if mnemonic.startswith("call"):
        for name in _NAMES:
            if name not in _KEPT:
                registers[name] = ("returned" if name == "rax" else "unknown", place, name)
    elif _compares(registers, mnemonic, operands, relative):
        return
    elif not _moves(registers, mnemonic, operands, relative) and not _stacks(registers, mnemonic, operands, relative):
        _others(registers, place, mnemonic, operands, relative)
    if not _KEEPS_FLAGS.match(mnemonic):
        registers.compared = None


def _ask_for_counter(registers: Registers, text: str, behind: tuple[int, str]) -> None:
    """Follow i386's way to learn the program counter: a call of a function that returns its return address, in a
    register that functions else keep, and to which what lies behind the call adds a number."""
    if registers.word != 4 or not text.startswith("call"):
        return
    place, after = behind
    thunk, added = _COUNTER_THUNK.search(text), _ADDED.match(after)
    if thunk is not None:
        registers[f"r{thunk['register']}"] = ("number", place)
    elif added is not None and added["register"] != "sp":
        registers[f"r{added['register']}"] = ("unknown", place, added["register"])


def _operands(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for char in text.strip():
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def _moves(registers: Registers, mnemonic: str, operands: list[str], relative: int | None) -> bool:
    """Follow a move or simple arithmetic whose result is known; whether it was one."""
    if mnemonic in ("cltq", "cdqe"):
        registers["rax"] = ("signed", registers["rax"])
        return True
    whole, half = _WHOLE[registers.word], _HALF[registers.word]
    target = (whole.get(operands[-1]) or half.get(operands[-1])) if len(operands) > 1 else None
    value = _result(registers, target, mnemonic, operands, relative) if target is not None else None
    if target is None or value is None:
        return False
    is_half = operands[-1] in half and value[0] not in ("load", "number")
    registers[target] = ("low", value) if is_half else value
    return True


def _result(
    registers: Registers, target: str, mnemonic: str, operands: list[str], relative: int | None
) -> Value | None:
    source, size = operands[0], _written_size(registers, operands)
    if mnemonic.startswith("lea"):
        return _address(registers, source, relative)
    if re.fullmatch(r"mov[lq]?|movabs|movslq|movz[bw][lq]", mnemonic):
        held = registers[_SMALL[source]] if source in _SMALL and source not in _HIGH else ("unknown",)
        if mnemonic.startswith("movzb") and held[0] in ("byte", "holds"):
            return held[1] if held[0] == "byte" else held  # type: ignore[return-value]
        size = {"movz": {"b": 1, "w": 2}.get(mnemonic[4:5], 4), "movs": 4}.get(mnemonic[:4], size)
        value = _read(registers, source, size, relative)
        return ("signed", value) if value is not None and mnemonic == "movslq" else value
    if re.fullmatch(r"xor[lq]?", mnemonic) and source == operands[-1]:
        return "number", 0
    return _sum(registers, target, mnemonic, operands, relative)


def _written_size(registers: Registers, operands: list[str]) -> int:
    return registers.word if operands[-1] in _WHOLE[registers.word] else 4


def _sum(registers: Registers, target: str, mnemonic: str, operands: list[str], relative: int | None) -> Value | None:
    """Return what add, sub, a shift to the left or a multiplication by a number makes; None for others."""
    number, held, size = _number(operands[0]), registers[target], _written_size(registers, operands)
    if re.fullmatch(r"(add|sub)[lq]?", mnemonic) and len(operands) == 2:
        if number is not None:
            return plus(held, number if mnemonic.startswith("add") else -number)
        is_whole = mnemonic.startswith("add") and size == registers.word
        added = _read(registers, operands[0], size, relative) if is_whole else None
        return None if added is None else ("add", held, added)
    if re.fullmatch(r"(shl|sal)[lq]?", mnemonic) and number is not None and 0 <= number < 64:
        return "times", held, 1 << number
    if re.fullmatch(r"imul[lq]?", mnemonic) and len(operands) == 3 and number is not None:
        value = _read(registers, operands[1], size, relative)
        return None if value is None else ("times", value, number)
    return None


def _stacks(registers: Registers, mnemonic: str, operands: list[str], relative: int | None) -> bool:
    """Follow push, pop and leave; whether it was one."""
    word = registers.word
    if re.fullmatch(r"push[lq]?", mnemonic) and operands:
        pushed = _read(registers, operands[0], word, relative)
        registers["rsp"] = plus(registers["rsp"], -word)
        registers.store(registers["rsp"], word, pushed)
    elif re.fullmatch(r"pop[lq]?", mnemonic) and operands and operands[0] in _WHOLE[word]:
        top = registers["rsp"]
        registers["rsp"] = plus(top, word)
        registers[_WHOLE[word][operands[0]]] = registers.load(top, word)
    elif re.fullmatch(r"leave[lq]?", mnemonic):
        top = registers["rbp"]
        registers["rsp"] = plus(top, word)
        registers["rbp"] = registers.load(top, word)
    else:
        return False
    return True


def _compares(registers: Registers, mnemonic: str, operands: list[str], relative: int | None) -> bool:
    """Follow a comparison, and a byte that is set by how one came out; whether it was one of these."""
    compared = re.fullmatch(r"(cmp|test)([lq]?)", mnemonic)
    if compared is not None and len(operands) == 2:
        size = _SIZES.get(compared[2]) or _written_size(registers, operands)
        first, second = (_read(registers, each, size, relative) for each in reversed(operands))
        if compared[1] == "test":
            second = ("number", 0) if operands[0] == operands[1] else None
        registers.compared = None if first is None or second is None else (size, first, second)
        return True
    name = _SMALL.get(operands[0], "") if operands and operands[0] not in _HIGH else ""
    if not mnemonic.startswith("set") or registers.compared is None or not name:
        return False
    size, first, second = registers.compared
    condition = {"z": "e", "nz": "ne"}.get(mnemonic[3:], mnemonic[3:])
    if condition in ("s", "ns") and second == ("number", 0):
        condition = "l" if condition == "s" else "ge"
    if condition not in CONDITIONS:
        return False
    value: Value = ("holds", condition, size, first, second)
    registers[name] = value if registers[name] == ("number", 0) else ("byte", value)
    return True


def _others(registers: Registers, place: int, mnemonic: str, operands: list[str], relative: int | None) -> None:
    """What an instruction writes is unknown afterwards: its last operand, and what it does not name."""
    if _HIDDEN.match(mnemonic):
        for name in ("rax", "rdx", "rcx", "rbx", "rsi", "rdi"):
            registers[name] = ("unknown", place, name)
    if not operands or _READS.match(mnemonic):
        return
    for operand in operands if mnemonic.startswith(("xchg", "xadd")) else operands[-1:]:
        word = registers.word
        name = _WHOLE[word].get(operand) or _HALF[word].get(operand) or _SMALL.get(operand, "")
        if name:
            registers[name] = ("unknown", place, name)
        elif "(" in operand and (address := _address(registers, operand, relative)) is not None:
            size = _stored(registers, mnemonic, operands)
            is_word = re.fullmatch("mov[lq]?", mnemonic) is not None and size == word
            registers.store(address, size, _read(registers, operands[0], word, None) if is_word else None)


def _stored(registers: Registers, mnemonic: str, operands: list[str]) -> int:
    """Return how many bytes an instruction writes to its memory operand."""
    source = operands[0]
    if source in _WHOLE[registers.word]:
        return registers.word
    if source in _HALF[registers.word]:
        return 4
    return _VECTOR.get(source[:2], 8) if source[2:].startswith("mm") else _SIZES.get(mnemonic[-1], 8)


def _read(registers: Registers, operand: str, size: int, relative: int | None) -> Value | None:
    """Return an operand's value, None where it is none that can be followed."""
    if operand in _WHOLE[registers.word]:
        return registers[_WHOLE[registers.word][operand]]
    if operand in _HALF[registers.word]:
        return "low", registers[_HALF[registers.word][operand]]
    number = _number(operand)
    if number is not None:
        return "number", number & ((1 << 8 * size) - 1)
    address = _address(registers, operand, relative)
    return None if address is None else registers.load(address, size)


def _number(operand: str) -> int | None:
    return int(operand[1:], 0) if re.fullmatch(r"\$-?(0x[0-9a-f]+|\d+)", operand) else None


def _address(registers: Registers, operand: str, relative: int | None) -> Value | None:
    """Return the address of a memory operand, None for one of another kind (a segment's, a vector's)."""
    match = _MEMORY.fullmatch(operand)
    if match is None:
        return ("number", int(operand, 16)) if re.fullmatch(r"0x[0-9a-f]+", operand) else None
    if match["base"] == "%rip":
        return None if relative is None else ("number", relative)
    whole = _WHOLE[registers.word]
    if any(each and each not in whole for each in (match["base"], match["index"])):
        return None
    value: Value = registers[whole[match["base"]]] if match["base"] else ("number", 0)
    if match["index"]:
        index: Value = registers[whole[match["index"]]]
        scaled: Value = index if match["scale"] in (None, "1") else ("times", index, int(match["scale"]))
        value = ("add", value, scaled) if match["base"] else scaled
    return plus(value, int(match["displacement"] or "0", 16))
