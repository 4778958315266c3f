"""What an A64 instruction does to memory: its operands out of gdb's disassembly, evaluated from the registers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from gdbheap.lazy import regex
from gdbheap.machine.aarch64.access import access_of, alignment_of, is_silent
from gdbheap.machine.aarch64.operand_size import operand_size
from gdbheap.machine.instruction import CALL, JUMP, READ, RETURN, WRITE, Instruction, MemoryOperand

_MASK = (1 << 64) - 1
# A comment of the disassembler's.
_COMMENT = regex(r"\s*(//|; undefined).*")
_BRACKETS = regex(r"\[(?P<inside>[^\]]*)\](?P<writes_back>!?)")
_EXTENSION = regex(r"(?P<kind>lsl|[us]xt[wx])(?: #(?P<shift>\w+))?")
_NUMBER = regex(r"#?(?P<value>-?(?:0x[0-9a-f]+|\d+))")
_ADDRESS = regex(r"0x[0-9a-f]+\b")
_VECTOR = regex(r"z\d+\.[sd]")
_LITERAL = regex(r"ldr(sw)?")
_FLOW = regex(r"(?P<call>blr?(?:a[ab]z?)?)|(?P<return>ret(?:a[ab]\w*)?)|(?P<jump>br?(?:a[ab]z?)?)")
# SVE's loads and stores of elements: ld1w, st3b, ldff1sb, ldnt1d (ld1 alone is Neon's). By their predicate any of the
# elements may be the one that fails, as any of a gather's.
_PREDICATED = regex(r"(ld|st)(ff|nt)?[1-4]s?[bhwdq]")
_ELEMENTS = {"b": 1, "h": 2, "s": 4, "d": 8, "q": 16}
# What is left of an address when its authentication code (PAC) is taken off: with 48 bits of address.
_WITHOUT_CODE = (1 << 48) - 1
_COPY = regex(r"cpy\w*|set(?:g?[pme])\w*")
# The block that `dc zva` clears, on all processors but Fujitsu's A64FX (whose blocks have 256 bytes).
_BLOCK = 64


def decode(text: str, registers: Mapping[str, int]) -> Instruction:
    """Decode one line of gdb's disassembly (without the address). What it does not know has no memory operands."""
    words = _COMMENT.sub("", text).split(None, 1)
    if not words:
        return Instruction(text, "")
    mnemonic = words[0]
    operands = tuple(split_operands(words[1])) if len(words) > 1 else ()
    flow, target, destination = _flow(mnemonic, operands)
    return Instruction(
        text,
        mnemonic,
        operands,
        tuple(_memory(mnemonic, operands, registers)),
        alignment_of(mnemonic, operands),
        target_register=target,
        flow=flow,
        destination=destination,
    )


def register_value(name: str, registers: Mapping[str, int]) -> int:
    """Return what a general register holds, of w0 to w30 the lower half of the x register; 0 for one that is not
    known."""
    if name in ("xzr", "wzr"):
        return 0
    if name.startswith("w"):
        return registers.get("sp" if name == "wsp" else "x" + name[1:], 0) & 0xFFFF_FFFF
    return registers.get(name, 0)


def split_operands(text: str) -> list[str]:
    """Split operands at the commas outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def _flow(mnemonic: str, operands: tuple[str, ...]) -> tuple[str, str, int | None]:
    """Return how the instruction goes elsewhere, the register that its target is in, and a direct one's target."""
    match = _FLOW.fullmatch(mnemonic)
    if match is None:
        return "", "", None
    flow = CALL if match["call"] else RETURN if match["return"] else JUMP
    first = operands[0] if operands else ""
    if flow == RETURN:
        return flow, first if re.fullmatch(r"x\d+", first) else "x30", None
    direct = _ADDRESS.match(first)
    return (flow, "", int(direct[0], 16)) if direct is not None else (flow, first, None)


def _memory(mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int]) -> Iterator[MemoryOperand]:
    if mnemonic in ("dc", "ic"):
        yield from _cache_line(mnemonic, operands, registers)
    elif _COPY.fullmatch(mnemonic):
        yield from _copied(mnemonic, operands, registers)
    elif not is_silent(mnemonic):
        size = operand_size(mnemonic, operands, registers)
        access = access_of(mnemonic)
        match = next(filter(None, map(_BRACKETS.fullmatch, operands)), None)
        if match is not None and access:
            unit = _vector_unit(mnemonic, operands[0], size, registers)
            found = _evaluated(match, access, size, registers, unit)
            if mnemonic in ("ldraa", "ldrab"):
                found = replace(found, address=found.address & _WITHOUT_CODE)
            yield replace(found, is_vector=True) if _PREDICATED.fullmatch(mnemonic) else found
        elif _LITERAL.fullmatch(mnemonic) and len(operands) == 2 and (direct := _ADDRESS.match(operands[1])):
            address = int(direct[0], 16)
            yield MemoryOperand(direct[0], address, READ, size, displacement=address)


def _evaluated(match: re.Match[str], access: str, size: int, registers: Mapping[str, int], unit: int) -> MemoryOperand:
    """Return the operand in brackets: [base], [base, #n], [base, index, lsl #n], [base, #n, mul vl], [z0.d, #n]. `unit`
    are the bytes that "mul vl" counts in (0: not known)."""
    parts = [part.strip() for part in match["inside"].split(",")]
    vectors = [part for part in parts if _VECTOR.fullmatch(part)]
    scalar, index, scale, displacement, extension = "", "", 1, 0, ""
    for part in parts:
        number, extended = _NUMBER.fullmatch(part), _EXTENSION.fullmatch(part)
        if number is not None:
            displacement = int(number["value"], 0)
        elif extended is not None:
            extension, scale = extended["kind"], 1 << int(extended["shift"] or "0", 0)
        elif part in vectors or part == "mul vl":
            continue
        elif scalar:
            index = part
        else:
            scalar = part
    counts_vectors = "mul vl" in parts
    is_vector = bool(vectors) or (counts_vectors and not unit)
    displacement *= unit if counts_vectors else 1
    base_value, index_value = register_value(scalar, registers), _extended(index, extension, registers)
    address = (base_value + index_value * scale + displacement) & _MASK
    index = index or (vectors[0] if vectors else "")
    return MemoryOperand(
        match[0], address, access, size, scalar, base_value, index, index_value, scale, displacement, "", is_vector
    )


def _vector_unit(mnemonic: str, elements: str, size: int, registers: Mapping[str, int]) -> int:
    """Return the bytes that "mul vl" counts in, 0 where the length of vectors is not known: what fills the register,
    whose elements may be wider than those in memory."""
    if mnemonic in ("ldr", "str"):
        return size
    element = re.search(r"z\d+\.([bhsdq])", elements)
    return 8 * registers.get("vg", 0) * size // _ELEMENTS[element[1]] if element is not None else 0


def _extended(name: str, extension: str, registers: Mapping[str, int]) -> int:
    value = register_value(name, registers) if name else 0
    return value - (1 << 32) & _MASK if extension == "sxtw" and value >> 31 & 1 else value


def _cache_line(mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int]) -> Iterator[MemoryOperand]:
    """Yield what cache maintenance touches: `dc zva` and MTE's gva and gzva write a block; what cleans or invalidates
    a line needs it readable."""
    if len(operands) != 2:
        return
    kind, name = operands
    value = register_value(name, registers)
    if kind in ("zva", "gva", "gzva"):
        yield MemoryOperand(f"[{name}]", value & ~(_BLOCK - 1), WRITE, _BLOCK, name, value)
    elif re.fullmatch(r"(c|i|ci)va\w*", kind) or mnemonic == "ic":
        yield MemoryOperand(f"[{name}]", value, READ, 1, name, value)


def _copied(mnemonic: str, operands: tuple[str, ...], registers: Mapping[str, int]) -> Iterator[MemoryOperand]:
    """Yield what the instructions of memcpy and memset access next. In their middle a processor may count from the end:
    then what is left is negative."""
    names = [each.strip("[]!") for each in operands]
    if len(names) != 3:
        return
    is_copy = mnemonic.startswith("cpy")
    left = register_value(names[2 if is_copy else 1], registers)
    from_end = left >> 63 and not mnemonic.startswith(("cpyp", "cpyfp", "setp", "setgp"))
    ways = zip(names, (WRITE, READ) if is_copy else (WRITE,))
    for name, access in ways:
        value = register_value(name, registers)
        size = min((-left & _MASK) if from_end else left, 1 << 32)
        yield MemoryOperand(f"[{name}]", value + left & _MASK if from_end else value, access, size, name, value)
