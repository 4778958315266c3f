"""C structs by member name: where each member lies, learnt from DWARF or built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gdbheap.lazy import dataclass
from gdbheap.process.memory import Memory

# malloc_state, the largest that is asked for, takes 2 KiB. A file may claim anything.
MAX_STRUCT = 1 << 16

_FORMATS: Mapping[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True)
class Field:
    """A member: `offset` and `size` in bytes, `size` of the whole array where `count` > 1."""

    name: str
    offset: int
    size: int
    count: int = 1

    @property
    def item_size(self) -> int:
        """Bytes of one element."""
        return self.size // self.count


@dataclass(frozen=True)
class CStruct:
    """A struct or union: its size in bytes and its members. `"num_slots" in tcache` is the version check."""

    name: str
    size: int
    fields: Mapping[str, Field]

    def __contains__(self, member: object) -> bool:
        return member in self.fields

    def __getitem__(self, member: str) -> Field:
        return self.fields[member]

    def offset(self, member: str) -> int:
        """Return the member's offset in bytes; KeyError where there is none of that name."""
        return self.fields[member].offset

    def read(self, memory: Memory, address: int) -> StructValue:
        """Return all members as read from `address`; raise MemoryFault."""
        return StructValue(self, address, memory.read(address, self.size))


@dataclass(frozen=True)
class StructValue:
    """A struct's bytes, read once. Members come out as unsigned ints (signed ones are for the caller to fold)."""

    struct: CStruct
    address: int
    data: bytes

    def __contains__(self, member: object) -> bool:
        return member in self.struct

    def __getitem__(self, member: str) -> int:
        field = self.struct[member]
        return int.from_bytes(self.data[field.offset : field.offset + field.item_size], "little")

    def get(self, member: str) -> int | None:
        """Return the member, or None where this glibc's struct has none of that name."""
        return self[member] if member in self.struct else None

    def array(self, member: str) -> list[int]:
        """Return every element of an array member."""
        field = self.struct[member]
        step = field.item_size
        data = self.data[field.offset : field.offset + field.size]
        if step in _FORMATS and len(data) % step == 0:
            return memoryview(data).cast(_FORMATS[step]).tolist()
        return [int.from_bytes(data[i : i + step], "little") for i in range(0, len(data), step)]
