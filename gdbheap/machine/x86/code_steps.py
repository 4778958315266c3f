"""Code, followed from a function's start to a call: which values the registers hold there.

The instructions are gdb's, in AT&T's syntax. What is not understood makes a register unknown, never wrong.
"""

from __future__ import annotations

import re

from gdbheap.lazy import regex
from gdbheap.machine.register_values import CONDITIONS, Registers, Value, plus
from gdbheap.machine.stopped import CodeLines
from gdbheap.machine.ways import Ways
from gdbheap.machine.x86.followed_operands import (
    HALF,
    NAMES,
    SIZES,
    SMALL,
    WHOLE,
    address_of,
    number_of,
    read_operand,
    split_operands,
    stored_size,
    written_size,
)

_KEPT = frozenset(("rbx", "rbp", "rsp", "r12", "r13", "r14", "r15"))
_COMMENT = regex(r"\s*(0x[0-9a-f]+)")
_JUMP = regex(r"(?P<kind>j[a-z]+|loop\w*)\s+(?P<target>(?:0x)?[0-9a-f]+)\b")
# A jump to one of many places in the function; one through a slot of its own leaves it.
_SWITCH = regex(r"jmp\w*\s+\*(?!.*\(%rip\))")
_PREFIX = regex(r"(?:(?:bnd|notrack|data16|cs|rep\w*|lock|addr32|rex\.\w+)\s+)+")
_ENDS = regex(
    r"jmp|ret|ud2|hlt|call\w* .*<(abort|_?exit|_Unwind_Resume|__stack_chk_fail\w*|__(assert|chk|fortify)_fail\w*"
    r"|__cxa_\w*throw\w*|_ZSt\d+(__throw|terminate)\w*)(@|>)"
)
_READS = regex(r"(cmp(?!xchg)|test|nop|endbr|j|bt[wlq]?$|u?comis|v?u?comis|prefetch|ret|push)")
# These write registers that they do not name.
_HIDDEN = regex(r"(i?mul|i?div|cq?to|cltd|cw|cpuid|rdtsc|xchg|cmpxchg|xadd|syscall|(movs|stos|scas|lods|cmps)[bwlq]?$)")
_COUNTER_THUNK = regex(r"<__x86\.get_pc_thunk\.(?P<register>\w\w)>")
_ADDED = regex(r"addl?\s+\$0x[0-9a-f]+,%e(?P<register>\w\w)$")
# The second lowest bytes of registers.
_HIGH = ("%ah", "%bh", "%ch", "%dh")
# These leave the flags as they were.
_KEEPS_FLAGS = regex(r"(mov|lea|push|pop|set|nop|j|cmov|endbr|cltq|cdqe|not)")


def follow(code: CodeLines, at: int, word: int = 8) -> Registers:
    """Return the registers as they are before instruction `at` of a function's code, which comes whole."""
    registers = Registers(word)
    ways = Ways(registers)
    texts = [(place, _PREFIX.sub("", text.strip())) for place, text in code]
    jumps = {place: (match["kind"], int(match["target"], 16)) for place, text in texts if (match := _JUMP.match(text))}
    targets = {target for _, target in jumps.values()}
    back = {target for place, (_, target) in jumps.items() if target <= place}
    registers.is_sure = not any(_SWITCH.match(text) for index, (_, text) in enumerate(texts) if index != at)
    behind_end = False
    for index, (place, text) in enumerate(texts[: at + 1]):
        if place in back or (behind_end and place not in targets):
            ways.forget(place)
        elif place in targets:
            ways.arrive(place, falls=not behind_end)
        if index < at:
            _step(registers, place, text)
            _ask_for_counter(registers, text, texts[index + 1])
        if place in jumps:
            _jump(ways, registers, place, jumps[place])
        behind_end = _ENDS.match(text) is not None
    return registers


def _jump(ways: Ways, registers: Registers, place: int, jump: tuple[str, int]) -> None:
    kind, target = jump
    if kind.startswith("jmp"):
        ways.leave(target)
    else:
        ways.jump(place, target, _condition(registers, kind[1:]))


def operand_value(registers: Registers, operand: str) -> Value | None:
    """Return the value of the operand of an indirect call or jump ("*%rax", "*0x8(%rbx)"), None where it cannot be
    followed."""
    text, _, comment = operand.partition("#")
    named = _COMMENT.match(comment)
    return read_operand(
        registers, text.strip().lstrip("*"), registers.word, int(named[1], 16) if named is not None else None
    )


def _step(registers: Registers, place: int, text: str) -> None:
    code, _, comment = text.partition("#")
    mnemonic, _, rest = code.strip().partition(" ")
    operands = split_operands(rest)
    if re.fullmatch("(inc|dec)[lq]?", mnemonic) and len(operands) == 1:
        mnemonic, operands = ("add" if mnemonic.startswith("inc") else "sub"), ["$1", *operands]
    named = _COMMENT.match(comment)
    relative = int(named[1], 16) if named is not None else None
    if mnemonic.startswith("call"):
        registers.fresh.clear()
        for name in NAMES:
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


def _moves(registers: Registers, mnemonic: str, operands: list[str], relative: int | None) -> bool:
    """Follow a move or simple arithmetic whose result is known; whether it was one."""
    if mnemonic in ("cltq", "cdqe"):
        registers["rax"] = ("signed", registers["rax"])
        return True
    whole, half = WHOLE[registers.word], HALF[registers.word]
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
    source, size = operands[0], written_size(registers, operands)
    if mnemonic.startswith("lea"):
        return address_of(registers, source, relative)
    if mnemonic.startswith("cmov"):
        condition, moved = _condition(registers, mnemonic[4:]), read_operand(registers, source, size, relative)
        known = condition is not None and moved is not None
        return ("select", condition, moved, registers[target]) if known else None  # type: ignore[return-value]
    if re.fullmatch(r"mov[lq]?|movabs|movslq|movz[bw][lq]", mnemonic):
        held = registers[SMALL[source]] if source in SMALL and source not in _HIGH else ("unknown",)
        if mnemonic.startswith("movzb") and held[0] in ("byte", "holds"):
            return held[1] if held[0] == "byte" else held  # type: ignore[return-value]
        size = {"movz": {"b": 1, "w": 2}.get(mnemonic[4:5], 4), "movs": 4}.get(mnemonic[:4], size)
        value = read_operand(registers, source, size, relative)
        return ("signed", value) if value is not None and mnemonic == "movslq" else value
    if re.fullmatch(r"xor[lq]?", mnemonic) and source == operands[-1]:
        return "number", 0
    return _sum(registers, target, mnemonic, operands, relative)


def _sum(registers: Registers, target: str, mnemonic: str, operands: list[str], relative: int | None) -> Value | None:
    """Return what add, sub, a shift to the left or a multiplication by a number makes; None for others."""
    number, held, size = number_of(operands[0]), registers[target], written_size(registers, operands)
    if re.fullmatch(r"(add|sub)[lq]?", mnemonic) and len(operands) == 2:
        if number is not None:
            return plus(held, number if mnemonic.startswith("add") else -number)
        is_whole = mnemonic.startswith("add") and size == registers.word
        added = read_operand(registers, operands[0], size, relative) if is_whole else None
        return None if added is None else ("add", held, added)
    if re.fullmatch(r"(shl|sal)[lq]?", mnemonic) and number is not None and 0 <= number < 64:
        return "times", held, 1 << number
    if re.fullmatch(r"imul[lq]?", mnemonic) and len(operands) == 3 and number is not None:
        value = read_operand(registers, operands[1], size, relative)
        return None if value is None else ("times", value, number)
    return None


def _stacks(registers: Registers, mnemonic: str, operands: list[str], relative: int | None) -> bool:
    """Follow push, pop and leave; whether it was one."""
    word = registers.word
    if re.fullmatch(r"push[lq]?", mnemonic) and operands:
        pushed = read_operand(registers, operands[0], word, relative)
        registers["rsp"] = plus(registers["rsp"], -word)
        registers.store(registers["rsp"], word, pushed)
    elif re.fullmatch(r"pop[lq]?", mnemonic) and operands and operands[0] in WHOLE[word]:
        top = registers["rsp"]
        registers["rsp"] = plus(top, word)
        registers[WHOLE[word][operands[0]]] = registers.load(top, word)
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
        size = SIZES.get(compared[2]) or written_size(registers, operands)
        first, second = (read_operand(registers, each, size, relative) for each in reversed(operands))
        if compared[1] == "test":
            second = ("number", 0) if operands[0] == operands[1] else None
        registers.compared = None if first is None or second is None else (size, first, second)
        return True
    name = SMALL.get(operands[0], "") if operands and operands[0] not in _HIGH else ""
    if not mnemonic.startswith("set") or registers.compared is None or not name:
        return False
    value = _condition(registers, mnemonic[3:])
    if value is None:
        return False
    registers[name] = value if registers[name] == ("number", 0) else ("byte", value)
    return True


def _condition(registers: Registers, suffix: str) -> Value | None:
    """Return whether a condition holds (by the end of its instructions' names), None where that is not known."""
    if registers.compared is None:
        return None
    size, first, second = registers.compared
    condition = {"z": "e", "nz": "ne", "c": "b", "nc": "ae"}.get(suffix, suffix)
    if condition in ("s", "ns") and second == ("number", 0):
        condition = "l" if condition == "s" else "ge"
    return ("holds", condition, size, first, second) if condition in CONDITIONS else None


def _others(registers: Registers, place: int, mnemonic: str, operands: list[str], relative: int | None) -> None:
    """What an instruction writes is unknown afterwards: its last operand, and what it does not name."""
    if _HIDDEN.match(mnemonic):
        for name in ("rax", "rdx", "rcx", "rbx", "rsi", "rdi"):
            registers[name] = ("unknown", place, name)
    if not operands or _READS.match(mnemonic):
        return
    for operand in operands if mnemonic.startswith(("xchg", "xadd")) else operands[-1:]:
        word = registers.word
        name = WHOLE[word].get(operand) or HALF[word].get(operand) or SMALL.get(operand, "")
        if name:
            registers[name] = ("unknown", place, name)
        elif "(" in operand and (address := address_of(registers, operand, relative)) is not None:
            size = stored_size(registers, mnemonic, operands)
            is_word = re.fullmatch("mov[lq]?", mnemonic) is not None and size == word
            registers.store(address, size, read_operand(registers, operands[0], word, None) if is_word else None)
