"""What an instruction does to memory: its operands out of gdb's disassembly, AT&T or Intel, evaluated from the
registers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from gdbheap.lazy import regex
from gdbheap.machine.instruction import CALL, JUMP, READ, RETURN, WRITE, Instruction, MemoryOperand
from gdbheap.machine.x86.operand_size import operand_size

# Instructions whose memory operand is only read, though it stands where others have their destination.
_ONLY_READ = regex(
    r"(cmp(?!xchg)|test|bt[lqw]?$|push|v?u?comis|v?p?test|i?mul|i?div|jmp|call|prefetch|v?ldmxcsr|xrstor|bound|"
    r"ver[rw]|invlpg|clflush|clwb|cldemote"
    r"|l[gil]dt|ltr|lmsw|f(x?rstor|ld|add|sub|mul|div|com|ucom|i(ld|add|sub|mul|div|com)|bld))"
)
_NO_ACCESS = regex(r"(lea[wlq]?|in[bwl]?|out[bwl]?|f?nop[wlq]?|bnd\w+|endbr\d+)$")
# String instructions: which of their implied operands are read and written.
_STRING = {
    "movs": ("rsi", "rdi"),
    "stos": ("", "rdi"),
    "lods": ("rsi", ""),
    "scas": ("rdi", ""),
    "cmps": ("rsi rdi", ""),
    "outs": ("rsi", ""),
    "ins": ("", "rdi"),
}
_STRING_NAME = regex(r"(movs|stos|lods|scas|cmps|outs|ins)([bwldq]?)")
_STRING_OPERAND = regex(r"(^|[ :])[\[(]%?[er]?[sd]i[\])]$")
_SUFFIX_SIZE = {"b": 1, "w": 2, "l": 4, "d": 4, "q": 8}
_ACCUMULATORS = {"al": 1, "ax": 2, "eax": 4, "rax": 8}
_INTEL_SIZE = {
    "BYTE": 1,
    "WORD": 2,
    "DWORD": 4,
    "FWORD": 6,
    "QWORD": 8,
    "MMWORD": 8,
    "TBYTE": 10,
    "OWORD": 16,
    "XMMWORD": 16,
    "YMMWORD": 32,
    "ZMMWORD": 64,
}
# AVX's moves that fault where the address is no multiple of the operand's size; of the older instructions those do not
# that are named here.
_ALIGNED = regex(r"vmov(ap[sd]|dqa(32|64)?|nt\w+)$")
_UNALIGNED = regex(r"(movup[sd]|movdqu|lddqu|pcmp[ei]str[im]q?)$")
# What must be aligned to another size than its own.
_ALIGNMENTS = {"cmpxchg16b": 16, "fxsave": 16, "fxsave64": 16, "fxrstor": 16, "fxrstor64": 16}
_WHOLE_VECTOR = 16
_STATE_ALIGNMENT = 64

_ATT = regex(
    r"(?:%(?P<segment>[a-z]s):)?(?P<displacement>-?0x[0-9a-f]+|-?\d+)?"
    r"\((?P<base>%\w+)?(?:,(?P<index>%\w+))?(?:,(?P<scale>[1248]))?\)"
)
_ATT_ABSOLUTE = regex(r"(?:%(?P<segment>[a-z]s):)?(?P<displacement>-?0x[0-9a-f]+)$")
_INTEL = regex(
    r"(?:(?P<size>[A-Z]+) (?:PTR|BCST) )?(?:(?P<segment>[a-z]s):)?(?:\[(?P<inside>[^\]]*)\]|(?P<absolute>0x[0-9a-f]+)$)"
)
_IMMEDIATE = regex(r"-?0x[0-9a-f]+|-?\d+")
# Instructions whose bare number is no address in Intel's syntax, and in AT&T's has a dollar.
_WITH_NUMBER = regex(r"(push|int|ret|enter|xabort)[lqfw]?$")
_DIRECT = regex(r"(j|call|loop|xbegin)")
_DECORATION = regex(r"\{[^}]*\}")
_VECTOR_INDEX = regex(r"[xyz]mm\d+")
_COMMENT = regex(r"\s*(0x[0-9a-f]+)")
_STACK = regex(r"(?P<kind>pushf?|popf?|call|ret|leave|enter)(?P<suffix>[wlqd]?)")
_FLOW = {"call": CALL, "jmp": JUMP, "ret": RETURN}
_ADDRESS = regex(r"0x[0-9a-f]+\b(?![(:])")
_PREFIXES = regex(r"rep(n?[ez])?|lock|data16|addr32|notrack|bnd|xacquire|xrelease|[c-gs]s|rex(\.\w+)?|\{\w+\}")


def decode(text: str, registers: Mapping[str, int], pointer_size: int) -> Instruction:
    """Decode one line of gdb's disassembly (without the address). What it does not know has no memory operands."""
    code, _, comment = text.partition("#")
    code = code.strip()
    words = code.split(None, 1)
    repeats = False
    while words and _PREFIXES.fullmatch(words[0]):
        repeats = repeats or words[0].startswith("rep")
        words = words[1].split(None, 1) if len(words) > 1 else []
    if not words:
        return Instruction(text, "")
    mnemonic = words[0]
    operands = tuple(_split(words[1])) if len(words) > 1 else ()
    string = _string_kind(mnemonic, operands)
    if string:
        memory = tuple(_string_operands(string, mnemonic, operands, registers, pointer_size))
        counter = ("rcx" if pointer_size == 8 else "ecx") if repeats else ""
        return Instruction(text, mnemonic, operands, memory, string=string, counter=counter)
    intel = not any("%" in each or "$" in each for each in operands)
    memory = tuple(_relative(each, comment) for each in _operands(mnemonic, operands, registers, pointer_size, intel))
    target, register = _target(mnemonic, operands, memory)
    alignment = _alignment(mnemonic, operands, memory)
    memory = (
        *memory,
        *_implied(mnemonic, operands, registers, pointer_size),
        *_on_stack(mnemonic, registers, pointer_size),
    )
    return Instruction(
        text,
        mnemonic,
        operands,
        memory,
        alignment,
        target=target,
        target_register=register,
        flow=next((flow for start, flow in _FLOW.items() if mnemonic.startswith(start)), ""),
        destination=_destination(operands[0]) if mnemonic.startswith(("call", "jmp")) and operands else None,
    )


def _destination(operand: str) -> int | None:
    match = _ADDRESS.match(operand)
    return None if match is None else int(match[0], 16)


def _alignment(mnemonic: str, operands: tuple[str, ...], memory: tuple[MemoryOperand, ...]) -> int:
    if mnemonic.startswith(("xsave", "xrstor")):
        return _STATE_ALIGNMENT
    if mnemonic in _ALIGNMENTS or not memory:
        return _ALIGNMENTS.get(mnemonic, 0)
    if mnemonic.startswith("v"):
        return memory[0].size if _ALIGNED.match(mnemonic) else 0
    whole = memory[0].size == _WHOLE_VECTOR and any("xmm" in each for each in operands)
    return _WHOLE_VECTOR if whole and not _UNALIGNED.match(mnemonic) else 0


def _relative(operand: MemoryOperand, comment: str) -> MemoryOperand:
    """Return an operand that counts from the next instruction with the address that gdb has worked out ("#
    0x555555558088 <name>")."""
    match = _COMMENT.match(comment)
    if operand.base not in ("rip", "eip") or match is None:
        return operand
    return replace(operand, address=int(match[1], 16))


def _on_stack(mnemonic: str, registers: Mapping[str, int], pointer_size: int) -> Iterator[MemoryOperand]:
    """Yield the memory that push, pop, call, ret and leave access without naming it."""
    match = _STACK.fullmatch(mnemonic)
    if match is None:
        return
    kind, size = match["kind"], 2 if match["suffix"] == "w" else pointer_size
    name = ("rbp" if kind == "leave" else "rsp") if pointer_size == 8 else ("ebp" if kind == "leave" else "esp")
    pointer = registers.get(name, 0)
    if kind in ("push", "pushf", "call", "enter"):
        address = (pointer - size) & ((1 << 8 * pointer_size) - 1)
        yield MemoryOperand(f"-{size:#x}(%{name})", address, WRITE, size, name, pointer, displacement=-size)
    else:
        yield MemoryOperand(f"(%{name})", pointer, READ, size, name, pointer)


def _implied(
    mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int], pointer_size: int
) -> Iterator[MemoryOperand]:
    """Yield the memory that xlat and maskmovq access by registers that they do not name, or only in part."""
    wide = "r" if pointer_size == 8 else "e"
    mask = (1 << 8 * pointer_size) - 1
    if mnemonic.startswith("xlat"):
        base, index = f"{wide}bx", registers.get(f"{wide}ax", 0) & 0xFF
        address = (registers.get(base, 0) + index) & mask
        yield MemoryOperand(f"(%{base},%al)", address, READ, 1, base, registers.get(base, 0), "al", index)
    elif mnemonic.lstrip("v").startswith("maskmov") and mnemonic.endswith(("movq", "movdqu")):
        base = f"{wide}di"
        size = 8 if mnemonic.endswith("movq") else _WHOLE_VECTOR
        yield MemoryOperand(f"(%{base})", registers.get(base, 0), WRITE, size, base, registers.get(base, 0))


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
    match = _STRING_NAME.fullmatch(mnemonic)
    # movsd and cmpsd are SSE instructions too; the string ones name di or si, where they name anything.
    vector = any("mm" in each for each in operands)
    named = not operands or any(_STRING_OPERAND.search(each) for each in operands)
    return match[1] if match is not None and named and not vector else ""


def _string_operands(
    kind: str, mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int], pointer_size: int
) -> list[MemoryOperand]:
    read, written = _STRING[kind]
    size = _SUFFIX_SIZE.get(mnemonic[len(kind) : len(kind) + 1], 0)
    for each in operands:
        size = _ACCUMULATORS.get(each.lstrip("%"), _INTEL_SIZE.get(each.partition(" PTR ")[0], size))
    found = []
    for names, access in ((read, READ), (written, WRITE)):
        for name in names.split():
            register = name if pointer_size == 8 else "e" + name[1:]
            value = registers.get(register, 0)
            found.append(MemoryOperand(f"(%{register})", value, access, size, register, value))
    return found


def _operands(
    mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int], pointer_size: int, intel: bool
) -> list[MemoryOperand]:
    if _NO_ACCESS.match(mnemonic) or mnemonic.startswith("xlat"):
        return []
    found = []
    destination = 0 if intel else len(operands) - 1
    for place, decorated in enumerate(operands):
        each = _DECORATION.sub("", decorated)
        if each.startswith("$") or (_DIRECT.match(mnemonic) and _IMMEDIATE.fullmatch(each)):
            continue
        parsed = _parse_intel(each, mnemonic, len(operands)) if intel else _parse_att(each.lstrip("*"))
        if parsed is None:
            continue
        writes = place == destination and not _ONLY_READ.match(mnemonic)
        named = parsed.get("size")
        beside = [f"%{other}" for other in operands] if intel else operands
        size = _INTEL_SIZE.get(named, 0) if named else operand_size(mnemonic, beside, pointer_size)
        operand = _evaluate(each.lstrip("*"), parsed, registers, pointer_size)
        found.append(replace(operand, access=WRITE if writes else READ, size=size))
    return found


def _parse_att(text: str) -> dict[str, str | None] | None:
    match = _ATT.fullmatch(text) or _ATT_ABSOLUTE.fullmatch(text)
    return None if match is None else {key: value and value.lstrip("%") for key, value in match.groupdict().items()}


def _parse_intel(text: str, mnemonic: str, count: int) -> dict[str, str | None] | None:
    match = _INTEL.fullmatch(text)
    if match is None:
        return None
    is_number = match["absolute"] and not match["segment"] and not match["size"]
    # A bare number is an address in AT&T's syntax, where it is the only operand (`incl 0x8`).
    if is_number and (count > 1 or _WITH_NUMBER.match(mnemonic)):
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
    text: str, parsed: dict[str, str | None], registers: Mapping[str, int], pointer_size: int
) -> MemoryOperand:
    """Return the operand, as one that is read, its size not known yet."""
    base, index = parsed.get("base") or "", parsed.get("index") or ""
    base_value, index_value = _register(base, registers), _register(index, registers)
    is_vector = _VECTOR_INDEX.fullmatch(index) is not None
    scale, displacement = int(parsed.get("scale") or 1), int(parsed.get("displacement") or "0", 0)
    segment = parsed.get("segment") or ""
    start = registers.get(f"{segment}_base", 0) if segment in ("fs", "gs") else 0
    address = (start + base_value + index_value * scale + displacement) & ((1 << 8 * pointer_size) - 1)
    return MemoryOperand(
        text, address, READ, 0, base, base_value, index, index_value, scale, displacement, segment, is_vector
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


def _target(
    mnemonic: str, operands: tuple[str, ...], memory: tuple[MemoryOperand, ...]
) -> tuple[MemoryOperand | None, str]:
    if not mnemonic.startswith(("call", "jmp")) or len(operands) != 1:
        return None, ""
    if memory:
        return memory[0], ""
    name = operands[0].lstrip("*%")
    return None, name if re.fullmatch(r"[er]?[a-z]\w{1,2}|r\d+", name) else ""
