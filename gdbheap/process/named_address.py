"""What an address is by name: the symbol that it is in, or the frame and the local variable."""

from __future__ import annotations

from typing import Any

from gdbheap.lazy import dataclass

_VTABLES = ("vtable for ", "construction vtable for ")
_LINKED_VTABLE = "_ZTV"
_TYPE_INFO = "typeinfo for "


@dataclass(frozen=True)
class NamedAddress:
    """An address `offset` bytes into the symbol `name` (C++'s as it is written: "vtable for Car", "main"; linked,
    "_ZTV3Car", where nobody demangles it) of the file `module` ("libc.so.6")."""

    name: str
    offset: int
    module: str

    def __str__(self) -> str:
        """The way it is written everywhere: "main+4 in server"."""
        return f"{self.name}{f'+{self.offset}' if self.offset else ''} in {self.module}"

    def facts(self) -> dict[str, Any]:
        """The same by its published names."""
        return {"symbol": self.name, "symbol_offset": self.offset, "module": self.module}

    @property
    def is_vtable(self) -> bool:
        return self.name.startswith((*_VTABLES, _LINKED_VTABLE))

    @property
    def class_name(self) -> str:
        """The class whose vtable it is; "" where it is none, or its name is not demangled."""
        return next((self.name[len(each) :] for each in _VTABLES if self.name.startswith(each)), "")

    @property
    def type_name(self) -> str:
        """The type whose type_info it is; "" where it is none."""
        # gdb names a versioned symbol with its version.
        is_one = self.name.startswith(_TYPE_INFO) and not self.offset
        return self.name[len(_TYPE_INFO) :].partition("@")[0] if is_one else ""


@dataclass(frozen=True)
class StackPlace:
    """An address on a thread's stack, `above_sp` bytes above its stack pointer (negative: below).

    `frame` is the level of the frame that it is in (None: not known), of `function` ("" unknown), or that it lies
    above (`is_above`: what started the program or the thread). `local` is the variable or argument that is there ("":
    none that is known), from whose start it is `local_offset` bytes.
    """

    above_sp: int
    frame: int | None = None
    function: str = ""
    local: str = ""
    local_offset: int = 0
    is_above: bool = False

    def __str__(self) -> str:
        """The way it is written everywhere: "frame 2 main, local p+0x8", "above frame 3 main, sp+0x48", "sp+0x48"."""
        if self.frame is None:
            return f"sp{self.above_sp:+#x}"
        frame = f"{'above ' if self.is_above else ''}frame {self.frame} {self.function or '?'}"
        if self.local:
            return f"{frame}, local {self.local}{f'+{self.local_offset:#x}' if self.local_offset else ''}"
        return f"{frame}, sp{self.above_sp:+#x}"
