"""The pointers that a frame's source names, read by debug information: those of its line ("p->next"), then its own
variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gdbheap.elf.code.frames import CodeFrame
from gdbheap.elf.code.type_words import ARRAY, POINTERS, RECORDS, REFERENCES, size_of_type, spelled, stripped
from gdbheap.elf.code.variables import FrameVariable
from gdbheap.elf.dies import children_of, constant_of, name_of, type_of
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.expression import MemoryPlace, Worth
from gdbheap.elf.unwind.unwinder import StackLevel
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, regex
from gdbheap.process.process import Process
from gdbheap.process.stop import Expression
from gdbheap.without_gdb.stacks import Stacks

# p->next, table[3], node.other[i]: nothing that could call a function or change a variable.
_CHAIN = regex(r"[A-Za-z_]\w*(?:\s*(?:->|\.)\s*[A-Za-z_]\w*|\s*\[\s*-?\w+\s*\])*")
_STEP = regex(r"(?P<operator>->|\.|\[)\s*(?P<operand>-?\w+)")
_MOST = 32
_MOST_MEMBERS = 512
_DEEPEST = 4


@dataclass(frozen=True)
class _Value:
    """A value of a type (its entry; None: void): in memory at `address`, or (None) the word `word`."""

    type: Any | None
    address: int | None
    word: int = 0


def expressions(
    process: Process, stacks: Stacks, frame: CodeFrame, levels: Sequence[StackLevel], line: str
) -> tuple[Expression, ...]:
    """Return the pointers that `line`, the frame's source line, and the frame's variables name, once each."""
    reader = NamedValues(process, stacks, frame, levels)
    found: dict[str, Expression] = {}
    named = (match[0] for match in _CHAIN.finditer(line.partition("//")[0]))
    for chain in (*named, *reader.names):
        if len(found) >= _MOST:
            break
        for each in reader.along(re.sub(r"\s", "", chain)):
            found.setdefault(each.text, each)
    return tuple(found.values())


class NamedValues:
    """Reads what a frame's source names."""

    def __init__(self, process: Process, stacks: Stacks, frame: CodeFrame, levels: Sequence[StackLevel]) -> None:
        self._process, self._stacks, self._frame, self._level = process, stacks, frame, frame.level
        self._budget = stacks.code.anywhere
        self._variables: dict[str, FrameVariable] = {}
        for each in stacks.code.variables(frame, levels):
            self._variables.setdefault(each.name, each)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._variables)

    def word(self, chain: str) -> int | None:
        """Return what a chain of names ("p->next") is worth as an address; None where it is not known."""
        try:
            steps = list(self._steps(chain))
            if not steps or steps[-1][0] != chain:
                return None
            value = steps[-1][1]
            kind = stripped(value.type)
            if kind is not None and kind.tag in (ARRAY, *RECORDS):
                return value.address if kind.tag == ARRAY else None
            return self._word(value)
        except (MemoryFault, OverflowError, *UNPARSABLE):
            return None

    def along(self, chain: str) -> Iterator[Expression]:
        """Yield what each prefix of the chain is, where it is a pointer, as far as it can be followed."""
        try:
            for text, value in self._steps(chain):
                kind = stripped(value.type)
                if kind is not None and kind.tag in POINTERS:
                    yield self._expression(text, value, kind)
        except (MemoryFault, OverflowError, *UNPARSABLE):
            return

    def _steps(self, chain: str) -> Iterator[tuple[str, _Value]]:
        name = re.match(r"\w+", chain)
        text = name[0] if name else ""
        value = self._named(text)
        steps = _STEP.finditer(chain, len(text))
        while value is not None:
            value = self._referred(value)
            yield text, value
            step = next(steps, None)
            if step is None:
                return
            text += step[0] + ("]" if step["operator"] == "[" else "")
            value = self._step(value, step["operator"], step["operand"])

    def _named(self, name: str) -> _Value | None:
        variable = self._variables.get(name) or self._static(name)
        if variable is None or variable.place is None:
            return None
        if isinstance(variable.place, MemoryPlace):
            return _Value(variable.type, variable.place.address)
        if isinstance(variable.place, Worth):
            return _Value(variable.type, None, variable.place.value)
        names, number = self._process.machine.dwarf_registers, variable.place.number
        word = self._level.registers.get(names[number]) if number < len(names) else None
        return None if word is None else _Value(variable.type, None, word)

    def _static(self, name: str) -> FrameVariable | None:
        found = self._stacks.code.static_variable(self._frame, name)
        if found is None or found.place is not None:
            return found
        address = self._stacks.symbols.address_of(name, self._level.code)
        return None if address is None else replace(found, place=MemoryPlace(address))

    def _referred(self, value: _Value) -> _Value:
        kind = stripped(value.type)
        if kind is None or kind.tag not in REFERENCES:
            return value
        return _Value(type_of(kind), self._word(value))

    def _word(self, value: _Value) -> int:
        size = min(size_of_type(value.type, self._budget), 8)
        if value.address is None:
            return value.word & ((1 << 8 * (size or 8)) - 1)
        return int.from_bytes(self._process.memory.read(value.address, size), "little")

    def _step(self, value: _Value, operator: str, operand: str) -> _Value | None:
        kind = stripped(value.type)
        if kind is None:
            return None
        if operator == "[":
            return self._element(value, kind, operand)
        address = value.address
        if operator == "->":
            if kind.tag not in POINTERS:
                return None
            address, kind = self._word(value), stripped(type_of(kind))
        if kind is None or kind.tag not in RECORDS or address is None:
            return None
        member = next((each for each in _members(kind, self._budget, 0, 0) if each[2] == operand), None)
        return None if member is None else _Value(member[1], (address + member[0]) & self._process.machine.mask)

    def _element(self, value: _Value, kind: Any, operand: str) -> _Value | None:
        if re.fullmatch(r"-?\d+", operand):
            index = int(operand)
        else:
            counter = self._named(operand)
            if counter is None:
                return None
            index = self._word(self._referred(counter))
        target = type_of(kind)
        size = size_of_type(target, self._budget)
        start = self._word(value) if kind.tag in POINTERS else value.address if kind.tag == ARRAY else None
        return (
            None if start is None or not size else _Value(target, (start + index * size) & self._process.machine.mask)
        )

    def _expression(self, text: str, value: _Value, kind: Any) -> Expression:
        target = stripped(type_of(kind))
        members: tuple[tuple[int, int, str], ...] = ()
        if target is not None and target.tag in RECORDS:
            members = tuple(self._told(target))
        return Expression(text, self._word(value), spelled(value.type, self._budget), members, value.address)

    def _told(self, record: Any) -> Iterator[tuple[int, int, str]]:
        for count, (at, type_, name) in enumerate(_members(record, self._budget, 0, _DEEPEST)):
            if count >= _MOST_MEMBERS:
                return
            yield at, size_of_type(type_, self._budget), name


def _members(record: Any, budget: Any, start: int, depth: int, prefix: str = "") -> Iterator[tuple[int, Any, str]]:
    """Yield (offset, type, name) of a struct's members, each before what is inside it (as deep as that); a base class's
    and an unnamed struct's as its own."""
    for each in children_of(record, budget):
        is_static = {"DW_AT_declaration", "DW_AT_external"} & set(each.attributes)
        if each.tag not in ("DW_TAG_member", "DW_TAG_inheritance") or is_static:
            continue
        bits = constant_of(each, "DW_AT_data_bit_offset") // 8
        at = start + (constant_of(each, "DW_AT_data_member_location") or bits)
        kind, own = type_of(each), name_of(each) if each.tag == "DW_TAG_member" else ""
        name = f"{prefix}.{own}" if prefix and own else own or prefix
        if own:
            yield at, kind, name
        inner = stripped(kind)
        if inner is not None and inner.tag in RECORDS and (depth > 0 or not own):
            yield from _members(inner, budget, at, depth - 1, name)
