"""DWARF's expressions, those few that say where a static variable or a member lies; and where in a section such may
be."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from gdbheap.elf.types.forms import uleb
from gdbheap.elf.types.sections import DebugSections
from gdbheap.lazy import np
from gdbheap.types.catalogue import Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ADDRESS, _CONST4, _CONST8 = 0x03, 0x0C, 0x0E
_CONSTU, _CONST1U, _LITERAL_0 = 0x10, 0x08, 0x30
_ADDRESS_NUMBERS = (0xA1, 0xFB)  # DW_OP_addrx, DW_OP_GNU_addr_index
_CONSTANT_NUMBERS = (0xA2, 0xFC)  # DW_OP_constx, DW_OP_GNU_const_index
_THREAD_LOCAL = (0x9B, 0xE0)  # DW_OP_form_tls_address, DW_OP_GNU_push_tls_address
# Words of a section that are looked through at a time.
_PIECE = 1 << 22


class Expressions:
    """Reads the expressions of one unit after the other, of the module whose main `file` this is; `first` is where the
    part of .debug_addr begins that is of a unit that does not say so."""

    def __init__(self, file: DebugSections, first: int = 0) -> None:
        self._letter = "<I" if file.address_size == 4 else "<Q"
        self._size = file.address_size
        self._data = file.data
        self._thread_locals = file.thread_locals
        self._addresses = file["addr"]
        self._first = self._without = first

    def begin(self, first: int | None) -> None:
        """A unit begins, whose part of .debug_addr is at `first`."""
        self._first = self._without if first is None else first

    def static_place(self, block: bytes) -> tuple[int, int] | None:
        """Return (Storage, place) of a variable; None where it has no place of its own for good."""
        operation, size = block[0], self._size
        if operation == _ADDRESS and len(block) == 1 + size:
            return self._static(int.from_bytes(block[1:], "little"))
        if operation in _ADDRESS_NUMBERS:
            number, end = _number(block)
            return self._static(self._address(number)) if end == len(block) else None
        if block[-1] in _THREAD_LOCAL:
            if operation == (_CONST8 if size == 8 else _CONST4) and len(block) == 2 + size:
                return Storage.THREAD_LOCAL, int.from_bytes(block[1:-1], "little")
            if operation in _CONSTANT_NUMBERS:
                number, end = _number(block)
                if end == len(block) - 1:
                    return Storage.THREAD_LOCAL, self._thread_local(self._address(number))
        return None

    def _static(self, address: int) -> tuple[int, int] | None:
        inside = any(start <= address < end for start, end in self._data)
        return (Storage.STATIC, address) if inside else None

    def _thread_local(self, place: int) -> int:
        # GNU compilers put the variable's address into .debug_addr, where an offset is meant.
        start, end = self._thread_locals
        return place - start if end - start <= start <= place < end else place

    def _address(self, number: int) -> int:
        place = self._first + number * self._size
        if place + self._size > len(self._addresses):
            return 0
        return int(struct.unpack_from(self._letter, self._addresses, place)[0])

    def place_in_vtable(self, block: Any) -> int | None:
        """Return where a vtable holds the offset of a virtual base class, from its address point; None where the
        expression is of another kind.

        As GNU and LLVM compilers write it: dup, deref, a constant, minus, deref, plus.
        """
        if not isinstance(block, bytes) or block[:2] != b"\x12\x06" or len(block) < 6:
            return None
        number, end = block[2] - _LITERAL_0, 3
        if block[2] == _CONSTU:
            number, end = uleb(block, 3)
        elif block[2] == _CONST1U:
            number, end = block[3], 4
        elif not 0 <= number < 32:
            return None
        return -number if block[end:] == b"\x1c\x06\x22" else None

    def candidates(self, data: bytes) -> list[int]:
        """Return all places in a section where an expression may stand that gives a variable a place for good."""
        found = [self._found(data, start, min(start + _PIECE, len(data))) for start in range(0, len(data), _PIECE)]
        return [int(each) for each in np.concatenate(found)] if found else []

    def _found(self, data: bytes, start: int, end: int) -> NDArray[np.int64]:
        size = self._size
        piece = np.frombuffer(data, np.uint8, min(end + size + 3, len(data)) - start, start)
        if len(piece) < size + 3:
            return np.empty(0, np.int64)
        first, second = piece[: -size - 2], piece[1 : -size - 1]
        plain = np.flatnonzero((first == 1 + size) & (second == _ADDRESS))
        words = sum(piece[plain + 2 + each].astype(np.uint64) << np.uint64(8 * each) for each in range(size))
        inside = np.zeros(len(plain), bool)
        for low, high in self._data:
            inside |= (words >= np.uint64(low)) & (words < np.uint64(high))
        constant = _CONST8 if size == 8 else _CONST4
        local = np.flatnonzero((first == 2 + size) & (second == constant) & np.isin(piece[2 + size :], _THREAD_LOCAL))
        numbered = np.flatnonzero(np.isin(second, _ADDRESS_NUMBERS + _CONSTANT_NUMBERS) & (first > 1) & (first < 7))
        numbered = numbered if self._addresses else numbered[:0]
        places = np.sort(np.concatenate([plain[inside], local, numbered])).astype(np.int64) + start
        return places[places < end]


def constant_place(block: Any) -> int:
    """Return the offset of a member that is given as an expression: DW_OP_plus_uconst N, DW_OP_constu N; else 0."""
    if isinstance(block, bytes) and block[:1] in (b"\x23", b"\x10"):
        return uleb(block + b"\0", 1)[0]
    return 0


def _number(block: bytes) -> tuple[int, int]:
    try:
        return uleb(block, 1)
    except IndexError:
        return 0, 0
