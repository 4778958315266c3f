"""Instructions by capstone, where it is installed, in the words that gdb has for them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from gdbheap.errors import MemoryFault
from gdbheap.lazy import regex
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process

_LONGEST = 16
_I386, _X86_64, _ARM = 3, 62, 183
_MOST_BYTES = 1 << 15
_ADDRESS = regex(r"(?:0x[0-9a-f]+|\d+)")


@functools.cache
def _capstone() -> Any | None:
    try:
        return importlib.import_module("capstone")
    except ImportError:
        return None


class Instructions:
    """Decodes a process's instructions. `symbol_at` names what they refer to, as it is linked."""

    def __init__(self, process: Process, symbol_at: Callable[[int], NamedAddress | None]) -> None:
        self._process, self._symbol_at = process, symbol_at
        self._decoder = _decoder(process.machine.elf)

    def one(self, address: int) -> tuple[str, int] | None:
        """Return an instruction's text and length; None where it cannot be had."""
        found = self._decoded(address, _LONGEST, 1)
        return None if not found else (found[0][1], found[0][2])

    def at(self, address: int, count: int) -> list[str]:
        """Return the texts of some instructions from an address on, as far as they can be had."""
        return [text for _, text, _ in self._decoded(address, _LONGEST * count, count)]

    def between(self, start: int, end: int) -> tuple[tuple[int, str], ...]:
        """Return (address, text) of each instruction of a function."""
        if not 0 < end - start <= _MOST_BYTES:
            return ()
        return tuple((at, text) for at, text, _ in self._decoded(start, end - start, 0))

    def _decoded(self, address: int, size: int, count: int) -> list[tuple[int, str, int]]:
        if self._decoder is None:
            return []
        code = self._code(address, size)
        found = [(each.address, self._text(each), each.size) for each in self._decoder.disasm(code, address, count)]
        return found or ([(address, *self._process.machine.code.no_instruction(code))] if code else [])

    def _code(self, address: int, size: int) -> bytes:
        try:
            return self._process.memory.read(address, size)
        except (MemoryFault, OverflowError):
            pass
        page = self._process.page_after(address + 1) - address
        try:
            return self._process.memory.read(address, min(size, page))
        except (MemoryFault, OverflowError):
            return b""

    def _text(self, found: Any) -> str:
        mnemonic, operands, relative = self._process.machine.code.binutils_text(found.mnemonic, found.op_str)
        text = f"{mnemonic:<{self._process.machine.code.mnemonic_width}} {operands}".strip()
        if _ADDRESS.fullmatch(operands) and self._process.machine.code.jumps(mnemonic):
            return f"{text}{self._named(int(operands, 16))}"
        if relative is not None:
            place = (found.address + found.size + relative) & self._process.machine.mask
            text += f"        # {place:#x}{self._named(place)}"
        return text

    def _named(self, address: int) -> str:
        symbol = self._symbol_at(address)
        if symbol is None:
            return ""
        return f" <{symbol.name}+{symbol.offset}>" if symbol.offset else f" <{symbol.name}>"


def _decoder(machine: int) -> Any | None:
    capstone = _capstone()
    if capstone is None:
        return None
    kinds = {
        _X86_64: (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
        _I386: (capstone.CS_ARCH_X86, capstone.CS_MODE_32),
        _ARM: (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
    }
    if machine not in kinds:
        return None
    decoder = capstone.Cs(*kinds[machine])
    if machine != _ARM:
        decoder.syntax = capstone.CS_OPT_SYNTAX_ATT
    return decoder
