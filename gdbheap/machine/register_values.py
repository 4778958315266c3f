"""What registers hold at a call, as expressions of what they held before, and the numbers that these come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Union

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.machine.stopped import Bytes

# ("unknown", place, register); ("returned", place, register): what the call there has returned; ("number", n); ("sum",
# base, displacement); ("add", a, b); ("times", a, n); ("load", address, size, serial); ("low", a): its low 32 bits,
# ("signed", a): these, sign-extended; ("holds", condition, size, a, b): 1 where a comparison of a with b came out so,
# else 0; ("byte", a): a in the lowest byte, and above it nobody knows what; ("select", condition, a, b): a where the
# condition is 1, else b.
Value = tuple[Union[str, int, "Value"], ...]

# The place of what registers held when the function was called.
ENTRY = -1
_MOST_DEPTH = 64
# So far below the stack pointer may be what a frame has given back.
MOST_GIVEN_BACK = 1 << 20
# A value of more parts is of no use to anybody.
_MOST_PARTS = 200


@dataclass
class Registers:
    """What each register holds at some place in the code, by its 64-bit name; `word` is 4 for 32-bit code. `lost`
    are the loads whose memory has been written since; `stored` is what words of memory hold that was written
    there, by the address; `fresh` are those that nothing can have changed since. `is_sure` is False where a jump may
    lead to anywhere in the code, so that other ways to the place are not known. `compared` are the size and the
    values of the comparison that the flags tell of."""

    word: int = 8
    at: int = ENTRY
    values: dict[str, Value] = field(default_factory=dict)
    loads: dict[int, tuple[Value, int, int]] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    stored: dict[tuple[Value, int], Value] = field(default_factory=dict)
    fresh: set[tuple[Value, int]] = field(default_factory=set)
    is_sure: bool = True
    compared: tuple[int, Value, Value] | None = None
    dropped: int = 0

    def __getitem__(self, name: str) -> Value:
        return self.values.setdefault(name, ("unknown", self.at, name))

    def __setitem__(self, name: str, value: Value) -> None:
        if _parts(value, _MOST_PARTS) > _MOST_PARTS:
            self.dropped += 1
            value = "unknown", -1 - self.dropped, name
        self.values[name] = value

    def forget(self, at: int) -> None:
        """Other code may have come to this place: nothing is known any more."""
        self.at, self.values, self.stored, self.fresh, self.compared = at, {}, {}, set(), None

    def load(self, address: Value, size: int) -> Value:
        """Return what is in memory there, now."""
        if size == self.word and _split(address) in self.fresh:
            return self.stored[_split(address)]
        serial = len(self.loads)
        base, displacement = _split(address)
        self.loads[serial] = base, displacement, size
        return "load", address, size, serial

    def forget_memory(self) -> None:
        """Memory is written, nobody knows where."""
        self.stored, self.fresh = {}, set()
        self.lost.update(self.loads)

    def held_at(self, address: Value) -> Value | None:
        """Return the value of the word that the code has stored there, None where it has not."""
        return self.stored.get(_split(address))

    def store(self, address: Value, size: int, value: Value | None = None) -> None:
        """Memory is written there, with a whole word of this value where that is known: what was loaded from it is
        no more to be found."""
        base, displacement = _split(address)
        for other, start in list(self.stored):
            if other == base and start < displacement + size and displacement < start + self.word:
                del self.stored[other, start]
        self.fresh = {each for each in self.fresh if each[0] == base and each in self.stored}
        if value is not None and size == self.word:
            self.stored[base, displacement] = value
            self.fresh.add((base, displacement))
        for serial, (other, start, length) in self.loads.items():
            if other == base and start < displacement + size and displacement < start + length:
                self.lost.add(serial)


def _parts(value: Value, most: int) -> int:
    """Return how many values one is made of, `most` or more where there are more."""
    found = 1
    for each in value:
        if isinstance(each, tuple) and found <= most:
            found += _parts(each, most - found)
    return found


def plus(value: Value, displacement: int) -> Value:
    """Return the value and a number, added."""
    base, before = _split(value)
    total = before + displacement
    if base == ():
        return "number", total
    return ("sum", base, total) if total else base


# What a comparison (of two numbers without sign, of two with one) came out as, by the ends of x86's conditions.
_CONDITIONS: dict[str, Callable[[int, int, int, int], bool]] = {
    "e": lambda a, b, x, y: a == b,
    "ne": lambda a, b, x, y: a != b,
    "g": lambda a, b, x, y: x > y,
    "ge": lambda a, b, x, y: x >= y,
    "l": lambda a, b, x, y: x < y,
    "le": lambda a, b, x, y: x <= y,
    "a": lambda a, b, x, y: a > b,
    "ae": lambda a, b, x, y: a >= b,
    "b": lambda a, b, x, y: a < b,
    "be": lambda a, b, x, y: a <= b,
}
CONDITIONS = frozenset(_CONDITIONS)


def _holds(condition: str, size: int, values: list[int]) -> int:
    bits = 8 * size
    plain = [each & ((1 << bits) - 1) for each in values]
    signed = [each - (1 << bits) if each >> (bits - 1) else each for each in plain]
    return int(_CONDITIONS[condition](*plain, *signed))


def _split(value: Value) -> tuple[Value, int]:
    if value[0] == "number":
        return (), int(value[1])  # type: ignore[arg-type]
    if value[0] == "sum":
        return value[1], int(value[2])  # type: ignore[arg-type, return-value]
    return value, 0


class Evaluation:
    """Values as numbers, from what the `known` registers hold at the same place and from memory as it is now.
    `outer` tells what a register held at the function's start, None where that is not known. What lies below the
    stack pointer, whose register is `stack`, has been given back: others have written there since."""

    def __init__(
        self,
        registers: Registers,
        known: Mapping[str, int],
        memory: Bytes,
        outer: Callable[[str], int | None],
        stack: str,
    ) -> None:
        self._registers, self._memory, self._outer = registers, memory, outer
        self._mask = (1 << 8 * registers.word) - 1
        self._solved: dict[Value, int] = {}
        for name, held in known.items():
            self._solve(registers[name], held)
        self._bottom = self.of(registers[stack]) or 0
        for (base, displacement), value in registers.stored.items():
            at = self._solved.get(base)
            held_there = None if at is None else self._loaded(at + displacement & self._mask, registers.word)
            if held_there is not None:
                self._solve(value, held_there)

    def _solve(self, value: Value, held: int) -> None:
        base, displacement = _split(value)
        self._solved.setdefault(value, held)
        self._solved.setdefault(base, held - displacement & self._mask)

    def of(self, value: Value, depth: int = 0) -> int | None:
        """Return what the value comes to; None where that is not known."""
        kind = value[0]
        if value in self._solved or depth > _MOST_DEPTH:
            return self._solved.get(value)
        if kind == "number":
            return int(value[1]) & self._mask  # type: ignore[arg-type]
        if kind == "unknown":
            return self._outer(str(value[2])) if value[1] == ENTRY else None
        if kind in ("returned", "byte"):
            return None
        if kind == "select":
            chosen = self._chosen(value, depth)
            return None if chosen is None else self.of(chosen, depth + 1)
        parts = [self.of(each, depth + 1) for each in value[1:] if isinstance(each, tuple)]
        return None if None in parts else self._made(value, [each or 0 for each in parts])

    def _chosen(self, value: Value, depth: int) -> Value | None:
        """Return which of the two values of a select it is, None where that is not known."""
        _, condition, one, other = value
        holds = self.of(condition, depth + 1)  # type: ignore[arg-type]
        return None if holds is None else (one if holds else other)  # type: ignore[return-value]

    def beyond_result(self, value: Value) -> tuple[Value, int] | None:
        """Return the call's result that a value begins with, and what is added to it; None for other values."""
        if value[0] == "returned":
            return value, 0
        if value[0] == "select":
            chosen = self._chosen(value, 0)
            return None if chosen is None else self.beyond_result(chosen)
        terms = [each for each in value[1:] if isinstance(each, tuple)] if value[0] in ("sum", "add") else []
        for index, term in enumerate(terms):
            found = self.beyond_result(term)
            added = [int(value[2])] if value[0] == "sum" else [self.of(terms[1 - index])]  # type: ignore[arg-type]
            if found is not None and added[0] is not None:
                total = found[1] + added[0] & self._mask
                return found[0], total - (self._mask + 1 if total > self._mask // 2 else 0)
        return None

    def _made(self, value: Value, parts: list[int]) -> int | None:
        kind, first = value[0], parts[0]
        if kind == "holds":
            return _holds(str(value[1]), int(value[2]), parts)  # type: ignore[arg-type]
        if kind == "load":
            is_lost = value[3] in self._registers.lost
            return None if is_lost else self._loaded(first, int(value[2]))  # type: ignore[arg-type]
        if kind == "sum":
            return first + int(value[2]) & self._mask  # type: ignore[arg-type]
        if kind == "add":
            return first + parts[1] & self._mask
        if kind == "times":
            return first * int(value[2]) & self._mask  # type: ignore[arg-type]
        low = first & 0xFFFF_FFFF
        return low if kind == "low" or low < 1 << 31 else low | 0xFFFF_FFFF_0000_0000

    def _loaded(self, address: int, size: int) -> int | None:
        if self._bottom - MOST_GIVEN_BACK <= address < self._bottom:
            return None
        try:
            return int.from_bytes(self._memory.read(address, size), "little")
        except (MemoryFault, OverflowError):
            return None
