"""What a machine's own code sees of a stopped process: protocols, so that it knows of no other room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

# The instructions of a function: (address, gdb's text), in order.
CodeLines = Sequence[tuple[int, str]]


class Bytes(Protocol):
    """Memory; raises MemoryFault for what cannot be read."""

    def read(self, address: int, size: int) -> bytes: ...


class PointerWords(Protocol):
    """Words of a pointer's size; raises MemoryFault for what cannot be read."""

    def read(self, address: int) -> int: ...

    def read_many(self, address: int, count: int) -> memoryview: ...


class Mapped(Protocol):
    """A mapping: where it begins, whether it may be executed."""

    @property
    def start(self) -> int: ...

    @property
    def executable(self) -> bool: ...


class Mappings(Protocol):
    """The mappings of a process."""

    def find(self, address: int) -> Mapped | None: ...


class StoppedProcess(Protocol):
    """A process, as process/process.py has it."""

    @property
    def memory(self) -> Bytes: ...

    @property
    def words(self) -> PointerWords: ...

    @property
    def address_space(self) -> Mappings: ...

    @property
    def pointer_size(self) -> int: ...

    def without_signature(self, address: int) -> int: ...


class SymbolPlace(Protocol):
    """A symbol that an address is in, and how far from its start, as process/named_address.py has it."""

    @property
    def name(self) -> str: ...

    @property
    def offset(self) -> int: ...


class StackFrame(Protocol):
    """A frame, as process/frame.py has it."""

    @property
    def function(self) -> str: ...

    @property
    def program_counter(self) -> int: ...

    @property
    def stack_pointer(self) -> int: ...

    @property
    def registers(self) -> Mapping[str, int]: ...
