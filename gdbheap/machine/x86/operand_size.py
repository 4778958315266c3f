"""How many bytes an instruction's memory operand has, where AT&T's text does not name it: by the mnemonic and the
registers beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gdbheap.lazy import regex

_SUFFIXES = {"b": 1, "w": 2, "l": 4, "q": 8}
_VECTORS = {"x": 16, "y": 32, "z": 64}
_HIGH_BYTES = ("ah", "bh", "ch", "dh")
# Whole mnemonics (without the v of AVX) whose operand has one size; the first that matches.
_FIXED = tuple(
    (regex(pattern), size)
    for pattern, size in (
        (r"set\w+|prefetch\w*|clflush\w*|clwb|cldemote|xlatb?|f?nop\b.*|invlpg", 1),
        (r"movs?zb\w|movsb[wlq]|movzb[wlq]|pextrb|pinsrb|pbroadcastb|kmovb", 1),
        (
            r"movsw[lq]|movzw[lq]|pextrw|pinsrw|pbroadcastw|kmovw|fn?st[cs]w|fldcw|f?i\w+s|"
            r"s[il]dtw|l?msw|smsw|str|verr|verw|ltr|lldt",
            2,
        ),
        (r"movslq|movd|movss|pextrd|pinsrd|extractps|insertps|pbroadcastd|broadcastss|kmovd|(ld|st)mxcsr", 4),
        (r"cvtt?ss2\w+|cvtu?si2s[sdh]l?|fi\w+[^l]l|f(ld|st|stp|add|sub|subr|mul|div|divr|com|comp)s", 4),
        (
            r"movq|movsd|mov[hl]p[sd]|pextrq|pinsrq|pbroadcastq|broadcastsd|broadcast[if]32x2|kmovq|cmpxchg8b|"
            r"rstorssp|clrssbsy",
            8,
        ),
        (r"cvtt?sd2\w+|cvtu?si2s[sdh]q|fi\w+(ll|q)|f(ld|st|stp|add|sub|subr|mul|div|divr|com|comp)l|cvtt?p[sd]2pi", 8),
        (r"f(ld|stp)t|fbld|fbstp", 10),
        (r"(broadcast|insert|extract)[if](128|32x4|64x2)|cmpxchg16b|movntdqx|pclmul\w+|aeskeygen\w+", 16),
        (r"fn?stenv|fldenv", 28),
        (r"(broadcast|insert|extract)[if](32x8|64x4)", 32),
        (r"movdir64b|enqcmds?", 64),
        (r"fn?save|frstor", 108),
        (r"fx(save|rstor)(64)?", 512),
        # As much as the state components that are asked for take.
        (r"xsave\w*|xrstor\w*|[ls][gil]dt", 0),
    )
)
# A part of the vector: what is widened on the way in, or narrowed on the way out.
_PARTS = tuple(
    (regex(pattern), part)
    for pattern, part in (
        (r"pmov[sz]x(bw|wd|dq)|cvt(ps2pd|dq2pd|udq2pd|ph2ps|ps2ph|ps2qq|ps2uqq)|cvttps2u?qq|pmovu?s?(wb|dw|qd)", 2),
        (r"pmov[sz]x(bd|wq)|pmovu?s?(db|qw)", 4),
        (r"pmov[sz]xbq|pmovu?s?qb", 8),
    )
)
_SHIFTS = regex(r"(sh|sa|ro|rc)[lr]d?[bwlq]?")
_PACKED_COUNT = regex(r"ps(rl|ll|ra)[wdq]")
_ELEMENT = regex(r"\{1to\d+\}")
_VSIB = regex(r"p?(gather|scatter)\w*?([dq]|p[sd])")


def operand_size(mnemonic: str, operands: Sequence[str], pointer_size: int) -> int:
    """Return the size in bytes of the memory operand among AT&T `operands`, 0 where it is not known; `word` is the
    process's."""
    name = mnemonic[1:] if mnemonic.startswith("v") and mnemonic not in ("verr", "verw") else mnemonic
    vector = _widest_vector(operands)
    if any(_ELEMENT.search(each) for each in operands):
        return 2 if name.endswith("ph") else 8 if name.endswith(("pd", "q")) else 4
    indexed = _VSIB.fullmatch(name)
    if indexed is not None:
        return 8 if indexed[2] in ("q", "pd") else 4
    if vector and name == "movddup":
        return 8 if vector == 16 else vector
    for pattern, size in _FIXED:
        if pattern.fullmatch(name):
            return size
    return _of_vector(name, operands, vector) if vector else _of_registers(mnemonic, operands, pointer_size)


def _widest_vector(operands: Sequence[str]) -> int:
    """Return the size of the widest vector register beside the memory operand; 8 for MMX, 0 for none."""
    names = [match for each in operands for match in re.findall(r"%([xyz])?mm\d", each) if "(" not in each]
    return max((_VECTORS.get(name, 8) for name in names), default=0)


def _of_vector(name: str, operands: Sequence[str], vector: int) -> int:
    for pattern, part in _PARTS:
        if pattern.fullmatch(name):
            return vector // part
    if name.endswith(("ss", "sd", "sh")) and not name.startswith("p"):
        return {"s": 4, "d": 8, "h": 2}[name[-1]]
    if name.startswith("cvt") and name[-1] in _VECTORS:
        return _VECTORS[name[-1]]  # what is narrowed: its source is wider than the register
    if _PACKED_COUNT.fullmatch(name) and "(" in operands[0]:
        return min(vector, 16)
    if vector == 8 and name.startswith("punpckl"):
        return 4
    return vector


def _of_registers(mnemonic: str, operands: Sequence[str], pointer_size: int) -> int:
    if mnemonic.startswith(("call", "jmp", "push", "pop", "ret", "leave", "enter")) and mnemonic != "popcnt":
        return pointer_size if mnemonic[-1] != "w" else 2
    if _SHIFTS.fullmatch(mnemonic) or mnemonic.startswith("crc32"):
        operands = [each for each in operands if each != "%cl" and not mnemonic.startswith("crc32")]
    for each in operands:
        if each.startswith("%"):
            size = _of_register(each[1:])
            if size:
                return size
    return _SUFFIXES.get(mnemonic[-1:], 0)


def _of_register(name: str) -> int:
    """Return a general register's size in bytes, or a segment register's; 0 for any other."""
    if name in _HIGH_BYTES or re.fullmatch(r"[a-d]l|[sd]il|[bs]pl|r\d+[bl]", name):
        return 1
    if re.fullmatch(r"[a-d]x|[sd]i|[sb]p|r\d+w|[c-gs]s", name):
        return 2
    if re.fullmatch(r"e([a-d]x|[sd]i|[sb]p)|r\d+d", name):
        return 4
    return 8 if re.fullmatch(r"r([a-d]x|[sd]i|[sb]p)|r\d+", name) else 0
