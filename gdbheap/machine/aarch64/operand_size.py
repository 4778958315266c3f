"""How many bytes an A64 instruction's memory operand has: by its name, and by the registers beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gdbheap.lazy import regex

_REGISTERS = {"b": 1, "h": 2, "s": 4, "w": 4, "d": 8, "x": 8, "q": 16}
_SUFFIXES = {"b": 1, "h": 2, "w": 4, "d": 8, "q": 16}
_FIXED = {
    "ldraa": 8, "ldrab": 8, "ld64b": 64, "st64b": 64, "st64bv": 64, "st64bv0": 64, "ldg": 1, "stg": 16, "stzg": 16,
    "st2g": 32, "stz2g": 32, "stgp": 16, "ldpsw": 8,
}  # fmt: skip
# Names that end in what is a size elsewhere.
_BY_NAME = regex(r"(?:ld|st|swp|cas|rcw)\w*?s?(?P<size>[bh])|ld\w*s(?P<word>w)")
_PAIR = regex(r"(ld|st)n?p|ldt?np|sttn?p|ldtp|(ld|st)l?a?xp|(ldadd|ldclr|ldset|swp|cas)p\w*|ldiapp|stilp")
_STATUS = regex(r"stl?x[rp][bh]?")
_NEON = regex(r"(ld|st)(?P<count>[1-4])(?P<all>r?)")
_LANES = regex(r"\{(?P<list>[^}]*)\}(?P<lane>\[\d+\])?")
_ARRANGEMENT = regex(r"v\d+\.(?P<count>\d*)(?P<element>[bhsdq])")
_SVE = regex(r"(ld|st)(ff|nt)?[1-4]s?(?P<size>[bhwdq])")
_BROADCAST = regex(r"ld1r(?P<many>[qo]?)s?(?P<size>[bhwd])")


def operand_size(mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int]) -> int:
    """Return the size in bytes, 0 where it is not known (SVE's without the length of its vectors); of what SVE
    accesses by a predicate that of one element."""
    if mnemonic in _FIXED:
        return _FIXED[mnemonic]
    neon = _NEON.fullmatch(mnemonic)
    if neon is not None and operands:
        return _of_list(operands[0], int(neon["count"]), bool(neon["all"]))
    sve, broadcast = _SVE.fullmatch(mnemonic), _BROADCAST.fullmatch(mnemonic)
    if sve is not None:
        return _SUFFIXES[sve["size"]]
    if broadcast is not None:
        return {"q": 16, "o": 32, "": _SUFFIXES[broadcast["size"]]}[broadcast["many"]]
    named = _BY_NAME.fullmatch(mnemonic)
    if named is not None:
        return 4 if named["word"] else _REGISTERS[named["size"]]
    data = operands[1:] if _STATUS.fullmatch(mnemonic) else operands
    one = _of_register(data[0], registers) if data else 0
    return 2 * one if _PAIR.fullmatch(mnemonic) else one


def _of_register(name: str, registers: Mapping[str, int]) -> int:
    """Return a register's size; of SVE's vectors and predicates by the length of vectors (vg counts words of 8)."""
    if re.fullmatch(r"z\d+", name):
        return 8 * registers.get("vg", 0)
    if re.fullmatch(r"pn?\d+", name):
        return registers.get("vg", 0)
    return _REGISTERS.get(name[:1], 0) if re.fullmatch(r"[bhsdqwx](\d+|zr)|w?sp", name) else 0


def _of_list(text: str, count: int, is_repeated: bool) -> int:
    """Return the bytes of {v0.16b, v1.16b}, of {v0.16b-v3.16b}, of one lane or one element of each register."""
    match = _LANES.fullmatch(text)
    first = _ARRANGEMENT.match(match["list"]) if match is not None else None
    if match is None or first is None:
        return 0
    element = _REGISTERS[first["element"]]
    if match["lane"] or is_repeated:
        return count * element
    return _registers(match["list"]) * int(first["count"] or "1") * element


def _registers(text: str) -> int:
    numbers = [int(each) for each in re.findall(r"v(\d+)", text)]
    return (numbers[1] - numbers[0]) % 32 + 1 if "-" in text else len(numbers)
