"""The pointers that a frame's source names: those of its line ("p->next"), then its own variables; read without
calling anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

import gdb

from gdbheap.inside_gdb.references import REFERENCES
from gdbheap.lazy import regex
from gdbheap.process.stop import Expression

# p->next, table[3], node.other[i]: nothing that could call a function or change a variable.
_CHAIN = regex(r"[A-Za-z_]\w*(?:\s*(?:->|\.)\s*[A-Za-z_]\w*|\s*\[\s*-?\w+\s*\])*")
_STEP = regex(r"(?P<operator>->|\.|\[)\s*(?P<operand>-?\w+)")
_MOST = 32
_MOST_MEMBERS = 512
_DEEPEST = 4
_RECORDS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


def expressions(frame: gdb.Frame, line: str) -> tuple[Expression, ...]:
    """Return the pointers that `line`, the frame's source line, and the frame's variables name, once each."""
    found: dict[str, Expression] = {}
    try:
        block = frame.block()
    except RuntimeError:
        return ()
    named = (match[0] for match in _CHAIN.finditer(line.partition("//")[0]))
    for chain in (*named, *_variables(block)):
        if len(found) >= _MOST:
            break
        for each in _along(frame, block, re.sub(r"\s", "", chain)):
            found.setdefault(each.text, each)
    return tuple(found.values())


def _variables(block: gdb.Block) -> Iterator[str]:
    """Yield the names of the variables and arguments of the function that the block is in."""
    here: gdb.Block | None = block
    while here is not None and not here.is_global and not here.is_static:
        yield from (symbol.name for symbol in here if symbol.is_variable or symbol.is_argument)
        if here.function is not None:
            return
        here = here.superblock


def _along(frame: gdb.Frame, block: gdb.Block, chain: str) -> Iterator[Expression]:
    """Yield what each prefix of the chain is, where it is a pointer, as far as it can be followed."""
    try:
        name = re.match(r"\w+", chain)
        text = name[0] if name else ""
        value = _named(frame, block, text)
        steps = _STEP.finditer(chain, len(text))
        while value is not None:
            value = value.referenced_value() if value.type.strip_typedefs().code in REFERENCES else value
            if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
                yield _expression(text, value)
            step = next(steps, None)
            if step is None:
                return
            text += step[0] + ("]" if step["operator"] == "[" else "")
            value = _step(frame, block, value, step["operator"], step["operand"])
    except (gdb.error, KeyError, ValueError, RuntimeError):
        return  # optimised out, not readable, or no such member


def _named(frame: gdb.Frame, block: gdb.Block, name: str) -> gdb.Value | None:
    symbol = gdb.lookup_symbol(name, block)[0]
    if symbol is None or not (symbol.is_variable or symbol.is_argument):
        return None
    value = symbol.value(frame) if symbol.needs_frame else symbol.value()
    return None if value.is_optimized_out else value


def _step(frame: gdb.Frame, block: gdb.Block, value: gdb.Value, operator: str, operand: str) -> gdb.Value | None:
    kind = value.type.strip_typedefs()
    if operator == "[":
        index = int(operand) if re.fullmatch(r"-?\d+", operand) else None
        if index is None:
            counter = _named(frame, block, operand)
            index = None if counter is None else int(counter)
        return value[index] if index is not None and kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY) else None
    record = kind.target().strip_typedefs() if operator == "->" and kind.code == gdb.TYPE_CODE_PTR else kind
    if record.code not in _RECORDS:
        return None  # an operator of a class, which gdb would have to call
    return (value.dereference() if operator == "->" else value)[operand]


def _expression(text: str, value: gdb.Value) -> Expression:
    kind = value.type.strip_typedefs()
    target = kind.target().strip_typedefs()
    members = tuple(_members(target, 0, "", 0))[:_MOST_MEMBERS] if target.code in _RECORDS else ()
    mask, place = (1 << 8 * kind.sizeof) - 1, value.address
    return Expression(text, int(value) & mask, str(value.type), members, None if place is None else int(place) & mask)


def _members(record: gdb.Type, offset: int, prefix: str, depth: int) -> Iterator[tuple[int, int, str]]:
    """Yield a struct's members, each before what is inside it; a base class's and an unnamed struct's as its own."""
    for field in record.fields():
        place = getattr(field, "bitpos", None)
        if place is None or field.type is None:
            continue  # static, or an enumerator
        start, kind = offset + place // 8, field.type.strip_typedefs()
        unnamed = field.is_base_class or not field.name
        name = prefix if unnamed else f"{prefix}.{field.name}" if prefix else str(field.name)
        if not unnamed:
            yield start, kind.sizeof, name
        if kind.code in _RECORDS and depth < _DEEPEST:
            yield from _members(kind, start, name, depth + 1)
