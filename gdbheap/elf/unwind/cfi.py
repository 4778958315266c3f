"""Call frame information (DWARF's section 6.4, and .eh_frame of the Linux Standard Base): entries, and the rules that
hold at an address."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import field, replace
from enum import IntEnum

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.forms import sleb, uleb
from gdbheap.lazy import dataclass

# No honest entry is longer.
_LONGEST = 1 << 16
_MOST_KEPT = 64
OMITTED = 0xFF
_PC_RELATIVE, _DATA_RELATIVE, _INDIRECT = 0x10, 0x30, 0x80
_FORMATS = {1: "", 2: "<H", 3: "<I", 4: "<Q", 9: "", 10: "<h", 11: "<i", 12: "<q"}

Read = Callable[[int, int], bytes]
"""Gives bytes of a section (or of memory) at a place; MemoryFault, or fewer bytes, where there are none."""


class RuleKind(IntEnum):
    """How a caller's register is had. OFFSET and EXPRESSION give the address where it was saved, VALUE_OFFSET and
    VALUE_EXPRESSION the value itself; both offsets are from the canonical frame address."""

    UNDEFINED = 0
    OFFSET = 1
    VALUE_OFFSET = 2
    REGISTER = 3
    EXPRESSION = 4
    VALUE_EXPRESSION = 5


@dataclass(frozen=True)
class UnwindRule:
    """`number` is an offset or a register's."""

    kind: RuleKind
    number: int = 0
    expression: bytes = b""


@dataclass(frozen=True)
class Common:
    """A CIE. `encoding` is that of addresses in its FDEs; `is_signal`: its code is what the kernel made a frame for."""

    code_factor: int
    data_factor: int
    return_register: int
    encoding: int
    is_signal: bool
    has_more: bool
    program: bytes


@dataclass(frozen=True)
class Description:
    """An FDE: [start, end) is the code that it is about."""

    start: int
    end: int
    common: Common
    program: bytes


@dataclass
class Rules:
    """The canonical frame address is the register of that number plus `offset`, or the `expression`'s value (if any).
    A register without a rule is as it was. `is_signed`: return addresses bear a signature (aarch64)."""

    register: int = -1
    offset: int = 0
    expression: bytes = b""
    registers: dict[int, UnwindRule] = field(default_factory=dict)
    is_signed: bool = False

    def copy(self) -> Rules:
        return replace(self, registers=dict(self.registers))


class CfiSection:
    """Entries at places of a section, of which `read` gives bytes: `.eh_frame` as it lies in memory, or (`is_debug`)
    .debug_frame."""

    def __init__(self, read: Read, pointer_size: int, is_debug: bool = False) -> None:
        self._read = read
        self._size = pointer_size
        self._is_debug = is_debug
        self._commons: dict[int, Common] = {}

    def entry(self, place: int) -> tuple[Description | None, int]:
        """Return the FDE at a place (None: it is none) and the place behind it (0: this is the end); DWARFError,
        MemoryFault where it is broken."""
        data, body, width = self._whole(place)
        if not data:
            return None, 0
        end = place + len(data)
        number = int.from_bytes(data[body : body + width], "little")
        if number == (0xFFFF_FFFF_FFFF_FFFF if width == 8 else 0xFFFF_FFFF) if self._is_debug else number == 0:
            return None, end
        common = self._common(number if self._is_debug else place + body - number)
        at = body + width
        start, at = self.pointer(data, at, common.encoding, place + at)
        length, at = self.pointer(data, at, common.encoding & 0x0F, 0)
        if common.has_more:
            skipped, at = uleb(data, at)
            at += skipped
        return Description(start, start + length, common, data[at:]), end

    def pointer(self, data: bytes, at: int, encoding: int, place: int, base: int = 0) -> tuple[int, int]:
        """Return an address encoded at data[at:], which is at `place` of the section, and the index behind it."""
        kind = encoding & 0x0F
        if kind == 1:
            value, end = uleb(data, at)
        elif kind == 9:
            value, end = sleb(data, at)
        else:
            form = _FORMATS.get(kind, "") or ("<Q" if self._size == 8 else "<I")
            end = at + struct.calcsize(form)
            if end > len(data):
                raise DWARFError("an address is cut off")
            (value,) = struct.unpack_from(form, data, at)
        relative = encoding & 0x70
        if relative == _PC_RELATIVE:
            value += place
        elif relative == _DATA_RELATIVE:
            value += base
        elif relative:
            raise DWARFError(f"an address is encoded in another way ({encoding:#x})")
        value &= (1 << 8 * self._size) - 1
        if encoding & _INDIRECT:
            value = int.from_bytes(self._read(value, self._size), "little")
        return value, end

    def _whole(self, place: int) -> tuple[bytes, int, int]:
        """Return an entry's bytes, where its body begins in them, and how wide its reference to the CIE is."""
        head = self._read(place, 4)
        length, body, width = int.from_bytes(head, "little"), 4, 4
        if len(head) < 4 or length == 0:
            return b"", 0, 0
        if length == 0xFFFF_FFFF:
            length, body = int.from_bytes(self._read(place + 4, 8), "little"), 12
            width = 8 if self._is_debug else 4
        if not width < length <= _LONGEST:
            raise DWARFError(f"an entry of {length} bytes")
        data = self._read(place, body + length)
        if len(data) < body + length:
            raise DWARFError("an entry is cut off")
        return data, body, width

    def _common(self, place: int) -> Common:
        found = self._commons.get(place)
        if found is None:
            data, body, width = self._whole(place)
            if not data:
                raise DWARFError("an entry refers to none")
            found = self._commons[place] = self._parse_common(data, body + width, place)
        return found

    def _parse_common(self, data: bytes, at: int, place: int) -> Common:
        version, end = data[at], data.find(b"\0", at + 1)
        if version not in (1, 3, 4) or end < 0:
            raise DWARFError(f"an entry of version {version}")
        augmentation, at = data[at + 1 : end], end + 1
        at += 2 * (version == 4)
        code, at = uleb(data, at)
        factor, at = sleb(data, at)
        register, at = (data[at], at + 1) if version == 1 else uleb(data, at)
        encoding, is_signal, has_more = 0, b"S" in augmentation, augmentation.startswith(b"z")
        if has_more:
            size, at = uleb(data, at)
            encoding = self._encoding(augmentation, data, at, place)
            at += size
        elif augmentation.strip(b"S"):
            raise DWARFError("an entry has an augmentation that is not known")
        return Common(code, factor, register, encoding, is_signal, has_more, data[at:])

    def _encoding(self, augmentation: bytes, data: bytes, at: int, place: int) -> int:
        """Return how the addresses of FDEs are encoded."""
        encoding = 0
        for letter in augmentation[1:]:
            if letter == ord("R"):
                encoding, at = data[at], at + 1
            elif letter == ord("L"):
                at += 1
            elif letter == ord("P"):
                kind = data[at]
                # (Not followed: it is the language's function for exceptions.)
                _, at = self.pointer(data, at + 1, kind & 0x0F, 0)
            elif letter not in b"SBG":
                break
        return encoding


def rules_at(description: Description, address: int, pointer_size: int) -> Rules:
    """Return the rules that hold at an address; DWARFError, IndexError where the program is broken."""
    common = description.common
    rules = _Program(common, Rules(), description.start, pointer_size).run(common.program, address)
    return _Program(common, rules, description.start, pointer_size).run(description.program, address)


class _Program:
    """Executes call frame instructions."""

    def __init__(self, common: Common, first: Rules, start: int, pointer_size: int) -> None:
        self._common, self._first, self._rules = common, first.copy(), first
        self._here, self._size = start, pointer_size
        self._kept: list[Rules] = []

    def run(self, program: bytes, address: int) -> Rules:
        """Return the rules once the program has come to the address, or its end."""
        at = 0
        while at < len(program):
            code = program[at]
            high, low, at = code & 0xC0, code & 0x3F, at + 1
            if high == 0x40:
                self._here += low * self._common.code_factor
            elif high == 0x80:
                number, at = uleb(program, at)
                self._save(low, UnwindRule(RuleKind.OFFSET, number * self._common.data_factor))
            elif high == 0xC0:
                self._restore(low)
            elif low in _ADVANCES:
                size = _ADVANCES[low] or self._size
                number, at = int.from_bytes(program[at : at + size], "little"), at + size
                self._here = number if low == 1 else self._here + number * self._common.code_factor
            else:
                at = self._other(low, program, at)
            if self._here > address:
                break
        return self._rules

    def _save(self, register: int, rule: UnwindRule) -> None:
        self._rules.registers[register] = rule

    def _restore(self, register: int) -> None:
        if register in self._first.registers:
            self._rules.registers[register] = self._first.registers[register]
        else:
            self._rules.registers.pop(register, None)

    def _other(self, code: int, program: bytes, at: int) -> int:
        """Execute an instruction that moves to no other address; return the index behind it."""
        if code == 0:
            return at
        if code == 0x0A:
            if len(self._kept) >= _MOST_KEPT:
                raise DWARFError("rules are kept without end")
            self._kept.append(self._rules.copy())
            return at
        if code == 0x0B:
            self._rules = self._kept.pop()
            return at
        if code == 0x2D:  # DW_CFA_AARCH64_negate_ra_state
            self._rules.is_signed = not self._rules.is_signed
            return at
        if code in (0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13):
            return self._frame_address(code, program, at)
        if code == 0x2E:  # DW_CFA_GNU_args_size
            return uleb(program, at)[1]
        return self._register(code, program, at)

    def _frame_address(self, code: int, program: bytes, at: int) -> int:
        rules, factor = self._rules, self._common.data_factor
        if code in (0x0C, 0x0D, 0x12):
            rules.register, at = uleb(program, at)
            rules.expression = b""
        if code in (0x0C, 0x0E):
            rules.offset, at = uleb(program, at)
        elif code in (0x12, 0x13):
            rules.offset, at = sleb(program, at)
            rules.offset *= factor
        elif code == 0x0F:
            rules.expression, at = _block(program, at)
        return at

    def _register(self, code: int, program: bytes, at: int) -> int:
        factor = self._common.data_factor
        register, at = uleb(program, at)
        if code in (0x05, 0x14, 0x2F):  # offset_extended, val_offset, GNU_negative_offset_extended
            number, at = uleb(program, at)
            number = -number if code == 0x2F else number
            self._save(
                register, UnwindRule(RuleKind.VALUE_OFFSET if code == 0x14 else RuleKind.OFFSET, number * factor)
            )
        elif code in (0x11, 0x15):
            number, at = sleb(program, at)
            self._save(
                register, UnwindRule(RuleKind.OFFSET if code == 0x11 else RuleKind.VALUE_OFFSET, number * factor)
            )
        elif code == 0x06:
            self._restore(register)
        elif code == 0x07:
            self._save(register, UnwindRule(RuleKind.UNDEFINED))
        elif code == 0x08:
            self._rules.registers.pop(register, None)
        elif code == 0x09:
            number, at = uleb(program, at)
            self._save(register, UnwindRule(RuleKind.REGISTER, number))
        elif code in (0x10, 0x16):
            block, at = _block(program, at)
            self._save(
                register, UnwindRule(RuleKind.EXPRESSION if code == 0x10 else RuleKind.VALUE_EXPRESSION, 0, block)
            )
        else:
            raise DWARFError(f"a call frame instruction that is not known ({code:#x})")
        return at


# DW_CFA_set_loc (a pointer's size), advance_loc1, 2, 4, MIPS_advance_loc8.
_ADVANCES = {0x01: 0, 0x02: 1, 0x03: 2, 0x04: 4, 0x1D: 8}


def _block(program: bytes, at: int) -> tuple[bytes, int]:
    size, at = uleb(program, at)
    if at + size > len(program):
        raise DWARFError("an expression is cut off")
    return program[at : at + size], at + size
