"""x86 instructions in AT&T's syntax as binutils (and gdb) write them, out of what capstone writes."""

from __future__ import annotations

import re

from gdbheap.lazy import regex

# Those that need no letter for their size where an operand is a register.
_SIZED = regex(
    r"(mov|movabs|add|sub|cmp|test|and|or|xor|lea|push|pop|inc|dec|neg|not|shl|shr|sar|sal|rol|ror|rcl|rcr|shld|shrd|"
    r"imul|mul|div|idiv|adc|sbb|xchg|xadd|cmpxchg|bt|bts|btr|btc|bsf|bsr|bswap|tzcnt|lzcnt|popcnt|cmov[a-z]+|stos|"
    r"lods|scas|in|out)[bwlq]"
)
_STACK = regex(r"(call|jmp|ret|leave|push|pop|pushf|popf)[lq]")
_JUMP = regex(r"(?:.* )?(?:call|j|loop|xbegin)\w*")
_NUMBER = regex(r"(?<![\w%])(-?)(\d+)(?![\w])")
_BELOW_ZERO = regex(r"\$-(0x[0-9a-f]+)")
_MASKS = {letter: (1 << 8 * size) - 1 for letter, size in (("b", 1), ("w", 2), ("l", 4), ("q", 8))}
# What these take off the stack or put on it, and enter's depth.
_FRAME = regex(r"enter[lqw]?|l?ret[lqw]?")
_FRAME_MASKS = (0xFFFF, 0xFF)
_SCALE = regex(r"(,0x)([1248])\)")
_RELATIVE = regex(r"(-?0x[0-9a-f]+)\(%[er]ip\)")
_STRING = regex(r"(?:rep\w* )?(movs|stos|lods|scas|cmps|ins|outs)[bwlq]?")
_STRING_OPERAND = regex(r"(?<!:)\(%[er]([ds])i\)")
_SEGMENTS = {"d": "%es", "s": "%ds"}


def binutils_text(mnemonic: str, operands: str) -> tuple[str, str, int | None]:
    """Return mnemonic and operands, and how far behind the instruction an operand lies that counts from there (None:
    none does)."""
    operands = _NUMBER.sub(lambda match: f"{match[1]}{int(match[2]):#x}", operands.replace(", ", ","))
    operands = _SCALE.sub(lambda match: f",{match[2]})", operands)
    prefix, _, name = mnemonic.rpartition(" ")
    mask = _MASKS.get(name[-1:], 0)
    masks = _FRAME_MASKS if _FRAME.fullmatch(name) else (mask,) * (operands.count(",") + 1)
    operands = ",".join(_without_sign(each, mask) for each, mask in zip(operands.split(","), masks))
    if _STRING.fullmatch(mnemonic) is not None and "mm" not in operands:
        operands = _STRING_OPERAND.sub(lambda match: f"{_SEGMENTS[match[1]]}:{match[0]}", operands)
    outside = re.sub(r"\([^)]*\)", "", operands)
    registers = "%" in re.sub(r"%[c-gs]s:", "", outside) and "mm" not in outside
    if _STACK.fullmatch(name) or (registers and _SIZED.fullmatch(name)):
        name = name[:-1]
    relative = _RELATIVE.search(operands)
    return f"{prefix} {name}".strip(), operands, None if relative is None else int(relative[1], 16)


def _without_sign(operand: str, mask: int) -> str:
    """Return it with its number as the bits of the mask, where there is one."""
    return _BELOW_ZERO.sub(lambda match: f"${-int(match[1], 16) & mask:#x}" if mask else match[0], operand)


def jumps(mnemonic: str) -> bool:
    """Whether the instruction's operand is where it goes on."""
    return _JUMP.fullmatch(mnemonic) is not None
