"""What an instruction does to memory: its operands out of gdb's disassembly, AT&T or Intel, evaluated from the registers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

READ, WRITE, EXECUTE = "read", "write", "execute"

# Instructions whose memory operand is only read, though it stands where others have their destination.
_ONLY_READ = re.compile(r"(cmp|test|bt|push|u?comis|v?ptest|mul|imul|i?div|jmp|call|prefetch|fld|fild|nop)")
_NO_ACCESS = re.compile(r"(lea|nop)")
# String instructions: which of their implied operands are read and written.
_STRING = {
    "movs": ("rsi", "rdi"),
    "stos": ("", "rdi"),
    "lods": ("rsi", ""),
    "scas": ("rdi", ""),
    "cmps": ("rsi rdi", ""),
}
_SUFFIX_SIZE = {"b": 1, "w": 2, "l": 4, "q": 8}
_INTEL_SIZE = {
    "BYTE": 1,
    "WORD": 2,
    "DWORD": 4,
    "QWORD": 8,
    "XMMWORD": 16,
    "YMMWORD": 32,
    "ZMMWORD": 64,
    "TBYTE": 10,
    "OWORD": 16,
}
# Moves of vector registers that fault where the address is no multiple of the operand's size.
_ALIGNED = re.compile(
    r"v?(movap[sd]|movdqa(32|64)?|movntp[sd]|movntdqa?|(add|sub|mul|div|and|or|xor|min|max|unpckl|unpckh|shuf)p[sd]|p[a-z]+)$"
)

_ATT = re.compile(
    r"(?:%(?P<segment>[a-z]s):)?(?P<displacement>-?0x[0-9a-f]+|-?\d+)?"
    r"\((?P<base>%\w+)?(?:,(?P<index>%\w+))?(?:,(?P<scale>[1248]))?\)"
)
_ATT_ABSOLUTE = re.compile(r"(?:%(?P<segment>[a-z]s):)?(?P<displacement>-?0x[0-9a-f]+)$")
_INTEL = re.compile(
    r"(?:(?P<size>[A-Z]+WORD|BYTE|TBYTE) PTR )?(?:(?P<segment>[a-z]s):)?(?:\[(?P<inside>[^\]]*)\]|(?P<absolute>0x[0-9a-f]+)$)"
)
_COMMENT = re.compile(r"\s*(0x[0-9a-f]+)")
_STACK = re.compile(r"(?P<kind>pushf?|popf?|call|ret|leave)(?P<suffix>[wlqd]?)")
_PREFIXES = (
    "rep",
    "repz",
    "repnz",
    "repe",
    "repne",
    "lock",
    "data16",
    "addr32",
    "notrack",
    "bnd",
    "cs",
    "ds",
    "es",
    "ss",
    "fs",
    "gs",
    "rex.W",
)


@dataclass(frozen=True)
class MemoryOperand:
    """A memory operand: `text` as gdb writes it, `address` evaluated, `access` READ or WRITE, `size` in bytes (0 unknown).

    `base` and `index` are register names ("" none) with their values, `scale` and `displacement` what they are combined with.
    """

    text: str
    address: int
    access: str
    size: int
    base: str = ""
    base_value: int = 0
    index: str = ""
    index_value: int = 0
    scale: int = 1
    displacement: int = 0
    segment: str = ""


@dataclass(frozen=True)
class Instruction:
    """A decoded instruction: its mnemonic without prefixes, its operands as texts, and the memory that it accesses.

    `needs_alignment`: it faults where its operand is not aligned to its size. `string` is the kind of string instruction ("movs", ...) or "".
    `target` is the memory operand that an indirect call or jump takes its destination from, or None; `target_register` the register.
    """

    text: str
    mnemonic: str
    operands: tuple[str, ...] = ()
    memory: tuple[MemoryOperand, ...] = ()
    needs_alignment: bool = False
    string: str = ""
    repeats: bool = False
    target: MemoryOperand | None = None
    target_register: str = ""


def decode(text: str, registers: Mapping[str, int], word: int) -> Instruction:
    """Decode one line of gdb's disassembly (without the address). What it does not know has no memory operands."""
    code, _, comment = text.partition("#")
    code = code.strip()
    words = code.split(None, 1)
    repeats = False
    while words and words[0] in _PREFIXES:
        repeats = repeats or words[0].startswith("rep")
        words = words[1].split(None, 1) if len(words) > 1 else []
    if not words:
        return Instruction(text, "")
    mnemonic = words[0]
    operands = tuple(_split(words[1])) if len(words) > 1 else ()
    string = _string_kind(mnemonic, operands)
    if string:
        memory = tuple(_string_operands(string, mnemonic, operands, registers, word))
        return Instruction(text, mnemonic, operands, memory, string=string, repeats=repeats)
    intel = (not any("%" in each for each in operands) and any(c in code for c in "[]")) or " PTR " in code
    memory = tuple(_relative(each, comment) for each in _operands(mnemonic, operands, registers, word, intel))
    aligned = _ALIGNED.match(mnemonic) is not None and not mnemonic.startswith(
        ("v", "pop", "push", "pause", "prefetch")
    )
    if mnemonic.startswith("v") and _ALIGNED.match(mnemonic) is not None:
        aligned = "mova" in mnemonic or "movdqa" in mnemonic or "movnt" in mnemonic
    target, register = _target(mnemonic, operands, memory)
    memory = (*memory, *_on_stack(mnemonic, registers, word))
    return Instruction(text, mnemonic, operands, memory, aligned, target=target, target_register=register)


def _relative(operand: MemoryOperand, comment: str) -> MemoryOperand:
    """Return an operand that counts from the next instruction with the address that gdb has worked out ("# 0x555555558088 <name>")."""
    match = _COMMENT.match(comment)
    if operand.base not in ("rip", "eip") or match is None:
        return operand
    return replace(operand, address=int(match[1], 16))


def _on_stack(mnemonic: str, registers: Mapping[str, int], word: int) -> Iterator[MemoryOperand]:
    """Yield the memory that push, pop, call, ret and leave access without naming it."""
    match = _STACK.fullmatch(mnemonic)
    if match is None:
        return
    kind, size = match["kind"], 2 if match["suffix"] == "w" else word
    name = ("rbp" if kind == "leave" else "rsp") if word == 8 else ("ebp" if kind == "leave" else "esp")
    pointer = registers.get(name, 0)
    if kind in ("push", "pushf", "call"):
        address = (pointer - size) & ((1 << 8 * word) - 1)
        yield MemoryOperand(f"-{size:#x}(%{name})", address, WRITE, size, name, pointer, displacement=-size)
    else:
        yield MemoryOperand(f"(%{name})", pointer, READ, size, name, pointer)


def _split(text: str) -> list[str]:
    """Split operands at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _string_kind(mnemonic: str, operands: tuple[str, ...]) -> str:
    kind = mnemonic[:4]
    if kind not in _STRING or mnemonic[4:] not in ("", "b", "w", "l", "q", "d"):
        return ""
    # movsd and cmpsd are SSE instructions too, and movsl/movslq may extend a sign: the string ones name di or si.
    return (
        kind
        if not operands
        or (any(re.search(r"[ed]?[sd]i\b|%[er]ax|%al", each) for each in operands) and "%xmm" not in str(operands))
        else ""
    )


def _string_operands(
    kind: str, mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int], word: int
) -> list[MemoryOperand]:
    read, written = _STRING[kind]
    size = _SUFFIX_SIZE.get(mnemonic[4:5], 4 if mnemonic[4:5] == "d" else 0)
    for each in operands:
        size = next((bytes for name, bytes in _INTEL_SIZE.items() if each.startswith(name)), size)
    found = []
    for names, access in ((read, READ), (written, WRITE)):
        for name in names.split():
            register = name if word == 8 else "e" + name[1:]
            value = registers.get(register, 0)
            found.append(MemoryOperand(f"(%{register})", value, access, size, register, value))
    return found


def _operands(
    mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int], word: int, intel: bool
) -> list[MemoryOperand]:
    if _NO_ACCESS.match(mnemonic):
        return []
    found = []
    destination = 0 if intel else len(operands) - 1
    for place, each in enumerate(operands):
        if not intel and each.startswith("$"):
            continue
        direct_branch = mnemonic.startswith(("j", "call", "loop")) and not each.startswith("*") and not intel
        if direct_branch:
            continue
        parsed = _parse_intel(each) if intel else _parse_att(each.lstrip("*"))
        if parsed is None:
            continue
        writes = place == destination and not _ONLY_READ.match(mnemonic) and len(operands) > 0
        if len(operands) == 1 and mnemonic.startswith(("push", "call", "jmp")):
            writes = False
        found.append(
            _evaluate(
                each.lstrip("*"),
                parsed,
                registers,
                word,
                WRITE if writes else READ,
                _size(mnemonic, operands, parsed, word),
            )
        )
    return found


def _parse_att(text: str) -> dict[str, str | None] | None:
    match = _ATT.fullmatch(text) or _ATT_ABSOLUTE.fullmatch(text)
    return None if match is None else {key: value and value.lstrip("%") for key, value in match.groupdict().items()}


def _parse_intel(text: str) -> dict[str, str | None] | None:
    match = _INTEL.fullmatch(text)
    if match is None:
        return None
    found: dict[str, str | None] = {
        "size": match["size"],
        "segment": match["segment"],
        "displacement": match["absolute"],
    }
    for term in re.findall(r"[+-]?[^+-]+", match["inside"] or ""):
        sign, body = ("-" if term.startswith("-") else ""), term.lstrip("+-")
        if re.fullmatch(r"0x[0-9a-f]+|\d+", body):
            found["displacement"] = sign + body
        elif "*" in body:
            found["index"], found["scale"] = body.split("*")
        elif found.get("base"):
            found["index"] = body
        else:
            found["base"] = body
    return found


def _evaluate(
    text: str, parsed: dict[str, str | None], registers: Mapping[str, int], word: int, access: str, size: int
) -> MemoryOperand:
    base, index = parsed.get("base") or "", parsed.get("index") or ""
    base_value, index_value = _register(base, registers), _register(index, registers)
    scale, displacement = int(parsed.get("scale") or 1), int(parsed.get("displacement") or "0", 0)
    segment = parsed.get("segment") or ""
    start = registers.get(f"{segment}_base", 0) if segment in ("fs", "gs") else 0
    address = (start + base_value + index_value * scale + displacement) & ((1 << 8 * word) - 1)
    return MemoryOperand(
        text, address, access, size, base, base_value, index, index_value, scale, displacement, segment
    )


def _register(name: str, registers: Mapping[str, int]) -> int:
    if name in ("", "eiz", "riz"):
        return 0
    if name in registers:
        return registers[name]
    # A 32-bit part of a 64-bit register (addr32).
    wide = (
        registers.get("r" + name[1:])
        if name.startswith("e")
        else registers.get(name[:-1])
        if name.endswith("d")
        else None
    )
    return (wide or 0) & 0xFFFF_FFFF


def _size(mnemonic: str, operands: tuple[str, ...], parsed: dict[str, str | None], word: int) -> int:
    named = parsed.get("size")
    if named:
        return _INTEL_SIZE.get(named, 0)
    for each in operands:
        if "xmm" in each:
            return 16 if not mnemonic.endswith(("ss", "sd")) else 4 if mnemonic.endswith("ss") else 8
        if "ymm" in each:
            return 32
        if "zmm" in each:
            return 64
    registers = [each for each in operands if each.startswith("%")]
    for each in registers:
        name = each[1:]
        if name in ("al", "bl", "cl", "dl", "ah", "bh", "ch", "dh", "sil", "dil", "bpl", "spl") or re.fullmatch(
            r"r\d+b", name
        ):
            return 1
        if re.fullmatch(r"r\d+d|e\w\w", name):
            return 4
        if re.fullmatch(r"r\d+|r[a-ds]\w|rbp|rsp|rip", name):
            return 8
    if mnemonic.startswith(("call", "jmp", "push", "pop", "ret")):
        return word
    return _SUFFIX_SIZE.get(mnemonic[-1:], 0)


def _target(
    mnemonic: str, operands: tuple[str, ...], memory: tuple[MemoryOperand, ...]
) -> tuple[MemoryOperand | None, str]:
    if not mnemonic.startswith(("call", "jmp")) or len(operands) != 1:
        return None, ""
    if memory:
        return memory[0], ""
    name = operands[0].lstrip("*%")
    return None, name if re.fullmatch(r"[er]?[a-z]\w{1,2}|r\d+", name) else ""
