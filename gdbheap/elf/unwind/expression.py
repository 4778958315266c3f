"""DWARF's expressions (section 2.5) over a stopped thread's frame: where a variable is, or what it is worth."""

from __future__ import annotations

import struct
from collections.abc import Callable

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.forms import sleb, uleb
from gdbheap.lazy import dataclass

_MOST_STEPS = 1 << 12
_MOST_STACK = 256
_LITERALS = range(0x30, 0x50)
_CONSTANTS = {0x08: "<B", 0x09: "<b", 0x0A: "<H", 0x0B: "<h", 0x0C: "<I", 0x0D: "<i", 0x0E: "<Q", 0x0F: "<q"}


@dataclass(frozen=True)
class MemoryPlace:
    """It lies in memory."""

    address: int


@dataclass(frozen=True)
class InRegister:
    """It is the value of the register of that number."""

    number: int


@dataclass(frozen=True)
class Worth:
    """It lies nowhere, and has this value."""

    value: int


def _unknown(number: int) -> int | None:
    return None


@dataclass(frozen=True)
class Surroundings:
    """What an expression may ask of its frame. `register` gives a register's value by DWARF's number, `read` memory
    (MemoryFault); `frame_base`, `frame_address` (the canonical one) and `entry_value` (of a register, as the
    function was called with) are None's where they are not known. `bias` is added to the file's addresses, `address`
    gives one of .debug_addr by number, `number_type` how many bytes an integer type has and whether it is signed, by
    its entry's offset in the unit (None: it is no integer)."""

    pointer_size: int
    register: Callable[[int], int | None]
    read: Callable[[int, int], bytes]
    bias: int = 0
    frame_base: Callable[[], int | None] = lambda: None
    frame_address: Callable[[], int | None] = lambda: None
    entry_value: Callable[[int], int | None] = _unknown
    address: Callable[[int], int | None] = _unknown
    number_type: Callable[[int], tuple[int, bool] | None] = lambda offset: None


def evaluate(
    expression: bytes, around: Surroundings, first: tuple[int, ...] = ()
) -> MemoryPlace | InRegister | Worth | None:
    """Return what an expression gives, which begins with `first` on its stack; None where it cannot be had: parts of
    it are in several places, or a register was not kept. MemoryFault where it reads what is not there."""
    try:
        return _Evaluation(expression, around, first).run()
    except (IndexError, DWARFError, struct.error, ZeroDivisionError, OverflowError):
        return None


class _Unknown(DWARFError):
    """An operand that nobody kept, or an operation that is not known."""


class _Evaluation:
    def __init__(self, expression: bytes, around: Surroundings, first: tuple[int, ...]) -> None:
        self._code, self._around, self._stack = expression, around, list(first)
        self._mask = (1 << 8 * around.pointer_size) - 1
        self._at = 0
        # What the number on top is, where it is typed.
        self._type: tuple[int, bool] | None = None

    def run(self) -> MemoryPlace | InRegister | Worth | None:
        code = self._code
        for _ in range(_MOST_STEPS):
            if self._at >= len(code):
                return MemoryPlace(self._stack[-1])
            operation = code[self._at]
            self._at += 1
            if 0x50 <= operation < 0x70 or operation == 0x90:
                number = self._uleb() if operation == 0x90 else operation - 0x50
                return InRegister(number) if self._at == len(code) else None
            if operation == 0x9F:
                return Worth(self._stack[-1]) if self._at == len(code) else None
            if operation == 0x9E:
                size = self._uleb()
                return Worth(int.from_bytes(code[self._at : self._at + size], "little")) if size <= 8 else None
            self._execute(operation)
            if len(self._stack) > _MOST_STACK:
                return None
        return None

    def _execute(self, operation: int) -> None:
        if self._type is not None and operation not in _CONVERT:
            if self._type[0] != self._around.pointer_size:
                raise _Unknown("arithmetic of another size")
            self._type = None
        if operation in _LITERALS:
            self._push(_LITERALS.index(operation))
        elif 0x70 <= operation < 0x90:
            self._push(self._known(self._around.register(operation - 0x70)) + self._sleb())
        elif operation in (0x10, 0x11):
            self._push(self._uleb() if operation == 0x10 else self._sleb())
        elif operation in _CONSTANTS:
            self._push(self._unpacked(_CONSTANTS[operation]))
        elif operation in _BINARY:
            right, left = self._stack.pop(), self._stack.pop()
            self._push(_BINARY[operation](self._signed(left), self._signed(right)))
        elif operation in (0x28, 0x2F):  # bra, skip
            step = self._unpacked("<h")
            if operation == 0x2F or self._stack.pop():
                self._at += step
                if self._at < 0:
                    raise _Unknown("it leads out of itself")
        else:
            self._on_stack(operation)

    def _on_stack(self, operation: int) -> None:
        stack, around = self._stack, self._around
        if operation == 0x06:
            self._push(int.from_bytes(around.read(stack.pop(), around.pointer_size), "little"))
        elif operation == 0x94:
            self._push(int.from_bytes(around.read(stack.pop(), self._unpacked("<B")), "little"))
        elif operation in (0x12, 0x14, 0x15):  # dup, over, pick
            index = 0 if operation == 0x12 else 1 if operation == 0x14 else self._unpacked("<B")
            self._push(stack[-1 - index])
        elif operation == 0x13:
            stack.pop()
        elif operation == 0x16:
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif operation == 0x17:
            stack[-1], stack[-2], stack[-3] = stack[-2], stack[-3], stack[-1]
        elif operation in (0x19, 0x1F, 0x20):
            value = self._signed(stack.pop())
            self._push(abs(value) if operation == 0x19 else -value if operation == 0x1F else ~value)
        elif operation in (0x24, 0x25, 0x26):  # shl, shr, shra
            count, value = min(stack.pop(), 64), stack.pop()
            self._push(
                value << count if operation == 0x24 else (value if operation == 0x25 else self._signed(value)) >> count
            )
        elif operation == 0x23:
            self._push(stack.pop() + self._uleb())
        elif operation != 0x96:
            self._of_frame(operation)

    def _of_frame(self, operation: int) -> None:
        around = self._around
        if operation == 0x03:
            word = self._code[self._at : self._at + around.pointer_size]
            self._at += around.pointer_size
            self._push(int.from_bytes(word, "little") + around.bias)
        elif operation in (0xA1, 0xFB):
            self._push(self._known(around.address(self._uleb())) + around.bias)
        elif operation == 0x91:
            self._push(self._known(around.frame_base()) + self._sleb())
        elif operation == 0x92:
            register = self._uleb()
            self._push(self._known(around.register(register)) + self._sleb())
        elif operation == 0x9C:
            self._push(self._known(around.frame_address()))
        elif operation in (0xA3, 0xF3):
            size = self._uleb()
            end = self._at + size
            inner = self._unpacked("<B")
            if inner not in _TYPED_REGISTER and not 0x50 <= inner < 0x70:
                raise _Unknown("an entry value of another kind")
            number = self._uleb() if inner in _TYPED_REGISTER else inner - 0x50
            self._push(self._known(around.entry_value(number)))
            if inner in _TYPED_REGISTER:
                self._convert(self._uleb())
            if self._at != end:
                raise _Unknown("an entry value of several parts")
        elif operation in _TYPED_REGISTER:
            self._push(self._known(around.register(self._uleb())))
            self._convert(self._uleb())
        elif operation in _CONVERT:
            self._convert(self._uleb())
        else:
            raise _Unknown(f"an operation that is not known ({operation:#x})")

    def _convert(self, offset: int) -> None:
        """Make the number on top one of the type at that offset (0: an address)."""
        old, new = self._type, self._around.number_type(offset) if offset else (self._around.pointer_size, False)
        if new is None or not 0 < new[0] <= 8:
            raise _Unknown("a type that is no integer")
        value = self._stack.pop()
        if old is not None and old[1] and value >> (8 * old[0] - 1):
            value -= 1 << 8 * old[0]
        self._stack.append(value & ((1 << 8 * new[0]) - 1))
        self._type = new if offset else None

    def _push(self, value: int) -> None:
        self._stack.append(value & self._mask)

    def _signed(self, value: int) -> int:
        return value - self._mask - 1 if value >> (8 * self._around.pointer_size - 1) else value

    @staticmethod
    def _known(value: int | None) -> int:
        if value is None:
            raise _Unknown("it is not known")
        return value

    def _unpacked(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._code, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _uleb(self) -> int:
        value, self._at = uleb(self._code, self._at)
        return value

    def _sleb(self) -> int:
        value, self._at = sleb(self._code, self._at)
        return value


# With a type: regval_type and convert, GNU's of DWARF 4 among them.
_TYPED_REGISTER, _CONVERT = (0xA5, 0xF5), (0xA8, 0xF7)
# Operands are signed.
_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: lambda left, right: left & right,
    0x1B: lambda left, right: abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1),
    0x1C: lambda left, right: left - right,
    0x1D: lambda left, right: left % right,
    0x1E: lambda left, right: left * right,
    0x21: lambda left, right: left | right,
    0x22: lambda left, right: left + right,
    0x27: lambda left, right: left ^ right,
    0x29: lambda left, right: left == right,
    0x2A: lambda left, right: left >= right,
    0x2B: lambda left, right: left > right,
    0x2C: lambda left, right: left <= right,
    0x2D: lambda left, right: left < right,
    0x2E: lambda left, right: left != right,
}
