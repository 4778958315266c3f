"""What a place that holds a pointer is called, as a value: facts for JSON, one text for people."""

from __future__ import annotations

import os

from gdbheap.lazy import dataclass
from gdbheap.process.named_address import NamedAddress, StackPlace


@dataclass(frozen=True)
class NamedPlace:
    """What is known of the place of a word.

    `register` (a register's name, or what the kernel keeps) of `thread`; or an address in one of these, `offset` bytes
    from its start (None: the whole of it): a `block` (its address), a `symbol`, a thread's `stack` or `thread_local`
    variable, an `area` ("the environment", "libc's struct pthread", "thread-local storage of libc.so.6") or, by its
    path, the mapping `area` that begins at `start`; in a module's data `elf_address` is where it is in the file.

    Where types are known: `type` is the block's ("struct order"), `member` what of it, or of a variable, is there
    ("struct order.next", "shop.orders"), and `named` the one of them that people read, with how sure it is; `is_link`:
    it only leads on inside a container.
    """

    register: str = ""
    thread: int | None = None
    block: int | None = None
    symbol: NamedAddress | None = None
    stack: StackPlace | None = None
    thread_local: NamedAddress | None = None
    area: str = ""
    start: int | None = None
    elf_address: int | None = None
    address: int = 0
    offset: int | None = 0
    named: str = ""
    type: str = ""
    member: str = ""
    is_link: bool = False

    def __str__(self) -> str:
        """What people call it; "" where nothing is known."""
        if self.thread is None:
            return self.what
        return f"{self.register} of thread {self.thread}" if self.register else f"thread {self.thread}: {self.what}"

    @property
    def what(self) -> str:
        """The same, without whose it is."""
        return f"{self.named} ({self._where})" if self.named else self._where

    @property
    def _where(self) -> str:
        if self.register:
            return self.register
        if self.block is not None:
            return f"block {self.block:#x}" + (f" + {self.offset:#x}" if self.offset is not None else "")
        if self.thread_local is not None:
            return f"thread-local {self.thread_local}"
        if self.elf_address is not None:
            return f"{os.path.basename(self.area)} + {self.elf_address:#x}"
        if self.area:
            return f"{self.area}{'' if self.start is None else f' at {self.start:#x}'} + {self.offset:#x}"
        if self.thread is not None:
            return str(self.stack or f"{self.address:#x}")
        return str(self.symbol or "")
